import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { TerminalSession, type TerminalOptions } from '../helpers/terminal.js';

const fixture = fileURLToPath(new URL('../helpers/fixture-shell.js', import.meta.url));
const prompt = 'dfs:/user/me>';
/** What wipes a terminal's scrollback. */
const wipeScrollback = '\u001b[3J';

/** The live shell on scripted commands, in a pseudo-terminal of its own. */
function open(t: ExecutionContext, options: Omit<TerminalOptions, 'args'> & { args?: string[]; wrap?: (command: string) => string } = {}): TerminalSession {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-screen-'));
  const env = { DFSH_FIXTURE_HISTORY: join(folder, 'history'), ...options.env };
  const words = [fixture, ...(options.args ?? [])];
  const terminal = options.wrap
    ? new TerminalSession({ ...options, env, command: 'sh', args: ['-c', options.wrap(`'${process.execPath}' ${words.map((word) => `'${word}'`).join(' ')}`)] })
    : new TerminalSession({ ...options, env, args: words });
  t.teardown(async () => {
    await terminal.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return terminal;
}

const ready = (terminal: TerminalSession) => terminal.waitForText(/^dfs:\/user\/me>$/);

test.serial('lines stay in native scrollback above one prompt, and nothing ever wipes it', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('echo hello\r');
  await terminal.waitForText(/^hello$/);
  terminal.type('lines 200\r');
  await terminal.waitForText(/^line 200$/);
  await ready(terminal);
  // A frame may be half drawn while we look.
  const count = (isWanted: (line: string) => boolean) => terminal.everything().filter(isWanted).length;
  await terminal.waitFor(() => count((line) => line === prompt) === 1 && count((line) => line.startsWith('HEALTHY')) === 1, 'one prompt and one panel');
  const all = terminal.everything();
  for (let index = 1; index <= 200; index++) t.true(all.includes(`line ${index}`));
  t.false(terminal.isAlternateScreen);
  t.false(terminal.raw.includes(wipeScrollback));
});

test.serial('a put shows a bar of bytes sent and one of replicas durable, and leaves one summary line', async (t) => {
  const terminal = open(t, { env: { DFSH_FIXTURE_PUT_MS: '4000' } });
  await ready(terminal);
  terminal.type('put events.csv /user/me/events.csv\r');
  await terminal.waitForText(/^PUT events\.csv → \/user\/me\/events\.csv +block \d\/8 · dn1 → dn3 → dn4$/);
  await terminal.waitForText(/^ sent {2}█+[▏▎▍▌▋▊▉]?░+ \d\d% +\d+ MiB \/ 1\.0 GiB +[\d.]+ MiB\/s +eta 0:0\d$/);
  await terminal.waitForText(/^ repl {2}█+[▏▎▍▌▋▊▉]?░+ \d\d% +\d+\/24 replicas +blocks [3210·… ]+$/);
  await terminal.waitForText(/^ \[Ctrl-C\] cancel/);
  await terminal.waitForText(/^✓ put events\.csv → \/user\/me\/events\.csv {3}1\.0 GiB {2}12\.4 s {2}82\.6 MiB\/s {2}8 blocks ×3$/);
  await ready(terminal);
  t.is(terminal.everything().filter((line) => /^ (?:sent|repl) /.test(line)).length, 0, 'the bars are gone');
});

test.serial('Ctrl-C cancels the transfer and not the shell; what was typed meanwhile waits', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('put\r');
  await terminal.waitForText('repl');
  terminal.write('\u0003');
  await terminal.waitForText(/put cancelled events\.csv/);
  await ready(terminal);
  terminal.type('wait\r');
  await terminal.waitForText('[Ctrl-C] cancel');
  t.false(terminal.isCursorShown);
  terminal.write('\u0003');
  await terminal.waitForText('wait: cancelled');
  terminal.type('put\recho typed ahead');
  await terminal.waitForText('repl');
  t.false(terminal.screen().some((line) => line.includes('typed ahead')));
  t.pass();
});

test.serial('Tab completes commands and paths, with a menu where there are several', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('ec\t');
  await terminal.waitForText(`${prompt} echo`);
  terminal.type('/user/me/l\t');
  await terminal.waitForText(`${prompt} echo /user/me/logs/`);
  terminal.write('\u0015');
  await ready(terminal);
  terminal.type('cat /u\t');
  await terminal.waitFor(() => ['Tab next', '/user/me/my data.csv'].every((part) => terminal.screen().some((line) => line.includes(part))), 'menu');
  terminal.write('\t\t\t\t');
  await terminal.waitForText(`${prompt} cat '/user/me/my data.csv'`);
  terminal.write('\r');
  const prompts = () => terminal.screen().filter((line) => line.startsWith(prompt));
  await terminal.waitFor(() => !terminal.screen().some((line) => line.includes('Tab next')) && prompts().at(-1)?.startsWith(`${prompt} cat '/user/me/my data.csv'`) === true, 'menu closed, nothing run');
  terminal.write('\u0015');
  await ready(terminal);
  terminal.write('\t');
  await terminal.waitForText(/^.echo +say it$/);
  t.pass();
});

test.serial('the death of a node is told in scrollback and seen in the panel, with its repair', async (t) => {
  const terminal = open(t, { env: { DFSH_FIXTURE_FEED: 'dying' } });
  await terminal.waitForText(/^\d\d:\d\d:\d\d WARN {2}dn3 no heartbeat for 3 s: STALE$/);
  await terminal.waitForText(/^\d\d:\d\d:\d\d ERROR dn3 DEAD, 214 blocks under-replicated/);
  await terminal.waitForText(/^DEGRADED 3\/4 live · 43 under-replicated · 0 missing$/);
  await terminal.waitForText(/^ heal {2}█+▎░+ 80% {3}171\/214 blocks {3}96\.0 MiB\/s/);
  await terminal.waitForText('blk_1073 dn1→dn2 74%   blk_1088 dn4→dn1 31%   +41 queued');
  await terminal.waitForText(/✗ dn3 DEAD 0:42/);
  terminal.type('echo still here\r');
  await terminal.waitForText(/^still here$/);
  t.true(terminal.everything().findIndex((line) => line.includes('dn3 DEAD, 214')) < terminal.everything().indexOf('still here'));
});

test.serial('a resize loses no line, leaves no fragment, and the prompt is there once', async (t) => {
  const terminal = open(t, { env: { DFSH_FIXTURE_FEED: 'dying' } });
  await terminal.waitForText('heal');
  terminal.type('lines 60\r');
  await terminal.waitForText(/^line 60$/);
  await ready(terminal);
  terminal.type('echo kept');
  await terminal.waitForText(`${prompt} echo kept`);
  for (const [columns, rows] of [[60, 30], [100, 30], [100, 18], [45, 18], [120, 18], [100, 30], [30, 8], [100, 24]] as const) {
    terminal.resize(columns, rows);
    const panel = columns < 50 || rows < 10 ? undefined : columns < 80 ? /^DEGRADED 3\/4 ✗dn3$/ : /^DEGRADED 3\/4 live/;
    const isSettled = () => {
      const screen = terminal.screen();
      const panels = screen.filter((line) => line.startsWith('DEGRADED'));
      const drawn = screen.filter((line) => /DEGRADED|heal|DEAD 0/.test(line) && !/ERROR/.test(line));
      const isPromptThere = screen.filter((line) => line === `${prompt} echo kept`).length === 1;
      return isPromptThere && panels.length === (panel ? 1 : 0) && panels.every((line) => panel?.test(line)) && drawn.length === (panel ? (columns < 80 ? 1 : 3) : 0);
    };
    await terminal.waitFor(isSettled, `one prompt and no fragment at ${columns}x${rows}`);
    const all = terminal.everything();
    t.is(all.filter((line) => line.startsWith(`${prompt} echo kept`)).length, 1, `one prompt in all at ${columns}x${rows}`);
    for (let index = 1; index <= 60; index++) t.true(all.includes(`line ${index}`), `line ${index} at ${columns}x${rows}`);
  }
  terminal.write('\r');
  await terminal.waitForText(/^kept$/);
  t.false(terminal.raw.includes(wipeScrollback));
});

test.serial('resizing in the middle of a put leaves one set of bars', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('put\r');
  await terminal.waitForText('repl');
  for (const [columns, rows] of [[70, 30], [100, 12], [100, 30]] as const) {
    terminal.resize(columns, rows);
    await terminal.waitFor(() => terminal.everything().filter((line) => line.startsWith(' sent  ')).length === 1, `one bar at ${columns}x${rows}`);
  }
  terminal.write('\u0003');
  await terminal.waitForText('put cancelled');
  t.false(terminal.raw.includes(wipeScrollback));
});

test.serial('in a terminal of five rows the region stays below its height', async (t) => {
  const terminal = open(t, { columns: 100, rows: 5, env: { DFSH_FIXTURE_FEED: 'dying' } });
  await ready(terminal);
  terminal.type('echo one\r');
  await terminal.waitForText(/^one$/);
  terminal.write('\t');
  await terminal.waitForText(/say it|raw bytes/);
  await terminal.waitForText('Tab next');
  terminal.write('\u001b');
  await terminal.waitFor(() => !terminal.screen().some((line) => line.includes('Tab next')), 'closed menu');
  terminal.write('?');
  await terminal.waitForText('run the line');
  t.false(terminal.raw.includes(wipeScrollback));
  t.false(terminal.isAlternateScreen);
});

const afterwards = (command: string) => `${command}; echo "code $?"; stty -a | tr ';' '\\n' | grep -oE -e '-?(icanon|echo|isig)( |$)' | tr '\\n' ' '; echo done`;
const endings: { title: string; end: (terminal: TerminalSession) => void; code: number }[] = [
  { title: 'Ctrl-D', end: (terminal) => terminal.write('\u0004'), code: 0 },
  { title: 'exit', end: (terminal) => terminal.type('exit\r'), code: 0 },
  { title: 'an error of ours', end: (terminal) => terminal.type('crash\r'), code: 1 },
  { title: 'SIGTERM', end: (terminal) => terminal.type('killme TERM\r'), code: 143 },
  { title: 'SIGHUP in the middle of a command', end: (terminal) => terminal.type('killme HUP\r'), code: 129 },
];
for (const { title, end, code } of endings) {
  test.serial(`${title} leaves the terminal as it was`, async (t) => {
    const terminal = open(t, { wrap: afterwards });
    await ready(terminal);
    t.true(terminal.isBracketedPaste);
    end(terminal);
    await terminal.waitForText(`code ${code}`);
    await terminal.waitForText(/done$/);
    const modes = terminal.screen().find((line) => line.endsWith('done'))!;
    t.regex(modes, /(^| )icanon /);
    t.regex(modes, /(^| )isig /);
    t.regex(modes, /(^| )echo /);
    t.false(terminal.isBracketedPaste);
    t.true(terminal.isCursorShown);
    t.false(terminal.screen().some((line) => line.startsWith('HEALTHY') || line === prompt), 'the live region is gone');
    t.false(terminal.raw.includes(wipeScrollback));
  });
}

test.serial('the terminal that goes away ends the shell', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.kill('SIGHUP');
  t.is((await terminal.waitForExit()).exitCode, 129);
});

test.serial('keys that come in one piece are each a key', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.write('echo one\recho two\u0001echo zero; \r');
  await terminal.waitForText(/^one$/);
  await terminal.waitForText(/^two$/);
  t.true(terminal.everything().some((line) => line === `${prompt} echo zero; echo two`));
});

test.serial('a paste of several lines waits for Enter, then runs line by line', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.write('\u001b[200~echo one\necho \'tw\to\'\u001b[201~');
  await terminal.waitForText(/echo 'tw o'/);
  t.false(terminal.screen().includes('one'), 'nothing ran by itself');
  terminal.write('\r');
  await terminal.waitForText(/^tw o$/);
  t.true(terminal.screen().includes('one'));
});

test.serial('the history suggests in grey, and Ctrl-R finds', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('echo some words\r');
  await terminal.waitForText(/^some words$/);
  await ready(terminal);
  terminal.type('ech');
  await terminal.waitForText(`${prompt} echo some words`);
  await terminal.waitFor(() => terminal.cursor.x === `${prompt} ech`.length && terminal.screen()[terminal.cursor.y] === `${prompt} echo some words`, 'suggestion');
  t.is(terminal.foregroundAt(terminal.cursor.x, terminal.cursor.y), 8, 'what is suggested is grey');
  terminal.write('\u001b[C');
  await terminal.waitFor(() => terminal.cursor.x === `${prompt} echo some words`.length, 'accepted suggestion');
  terminal.write('\u0015');
  terminal.write('\u0012');
  terminal.type('sowo');
  await terminal.waitForText(/^› echo some words/);
  terminal.write('\r');
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y] === `${prompt} echo some words`, 'line taken from the list');
});

test.serial('an unknown command is red as it is typed, a known one is not', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('nonsense x');
  await terminal.waitForText(`${prompt} nonsense x`);
  t.is(terminal.foregroundAt(prompt.length + 1, terminal.cursor.y), 1);
  terminal.write('\u0015');
  terminal.type('echo x');
  await terminal.waitForText(`${prompt} echo x`);
  t.is(terminal.foregroundAt(prompt.length + 1, terminal.cursor.y), -1);
});

test.serial('raw bytes without a last newline do not meet the prompt', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('cat one|two\r');
  await terminal.waitForText(/^two⏎$/);
  await ready(terminal);
  const screen = terminal.screen();
  t.true(screen.indexOf('one') === screen.indexOf('two⏎') - 1);
});

test.serial('a command that asks for input gets the lines typed for it', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('read\r');
  await terminal.waitForText(/^input>/);
  terminal.type('abc\r');
  await terminal.waitForText(/^abc$/);
  terminal.write('\u0004');
  await terminal.waitForText('read 4 bytes');
  t.false(terminal.screen().some((line) => line.startsWith('input>')));
});

test.serial('Ctrl-L clears the screen and keeps the line', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('lines 10\r');
  await terminal.waitForText(/^line 10$/);
  terminal.type('echo half');
  await terminal.waitForText(`${prompt} echo half`);
  terminal.write('\u000c');
  await terminal.waitFor(() => !terminal.screen().includes('line 10') && terminal.screen().includes(`${prompt} echo half`), 'clear screen');
  t.false(terminal.raw.includes(wipeScrollback));
});

test.serial('Ctrl-Z stops the shell, fg brings it back', async (t) => {
  if (!existsSync('/bin/bash')) return t.pass('no bash here');
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-screen-'));
  const terminal = new TerminalSession({ command: '/bin/bash', args: ['--norc', '--noprofile', '-i'], env: { PS1: 'outer$ ', DFSH_FIXTURE_HISTORY: join(folder, 'history') } });
  t.teardown(async () => {
    await terminal.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await terminal.waitForText('outer$');
  terminal.write(`'${process.execPath}' '${fixture}'\r`);
  await ready(terminal);
  terminal.type('echo before');
  await terminal.waitForText(`${prompt} echo before`);
  terminal.write('\u001a');
  await terminal.waitForText('Stopped');
  t.false(terminal.isBracketedPaste && !terminal.screen().some((line) => line.startsWith('outer$')));
  terminal.write('fg\r');
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y] === `${prompt} echo before`, 'prompt after fg');
  terminal.write('\r');
  await terminal.waitForText(/^before$/);
  terminal.write('\u0004');
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y]?.startsWith('outer$') ?? false, 'outer prompt');
});

test.serial('NO_COLOR gives a screen without colours, a Linux console one without Unicode', async (t) => {
  const terminal = open(t, { env: { NO_COLOR: '1', TERM: 'linux', DFSH_FIXTURE_FEED: 'dying' } });
  await terminal.waitForText(/x dn3 DEAD 0:42/);
  await terminal.waitForText(/heal {2}#+-+ 80%/);
  terminal.type('put\r');
  await terminal.waitForText(/ sent {2}#+-+ \d\d%/);
  terminal.write('\u0003');
  await terminal.waitForText(/cancelled/);
  // eslint-disable-next-line no-control-regex
  t.notRegex(terminal.raw, /\u001b\[(?:[1-9]|[1-9]\d)(?:;\d+)*m/);
  // eslint-disable-next-line no-control-regex
  t.regex(terminal.raw, /^[\u0000-\u007f]*$/);
});

test.serial('without a cluster the shell opens all the same and says what to type', async (t) => {
  const terminal = open(t, { env: { DFSH_FIXTURE_FEED: 'absent' } });
  await terminal.waitForText('No name node answers at 127.0.0.1:9870. To start a local cluster type: cluster up');
  await terminal.waitForText(/^✗ name node 127\.0\.0\.1:9870 does not answer; retrying/);
  terminal.type('echo works\r');
  await terminal.waitForText(/^works$/);
  t.is(terminal.everything().filter((line) => line.includes('No name node answers')).length, 1);
});

test.serial('watch shows its rounds in place, and the last one stays', async (t) => {
  const terminal = open(t);
  await ready(terminal);
  terminal.type('watch\r');
  await terminal.waitForText(/^every 2 s: du -s \/$/);
  await terminal.waitForText('[Ctrl-C] cancel');
  terminal.write('\u0003');
  await ready(terminal);
  t.is(terminal.everything().filter((line) => line.startsWith('every 2 s')).length, 1);
});

test.serial('the plain shell has a prompt, completion, history and Ctrl-C, and draws nothing', async (t) => {
  const terminal = open(t, { args: ['--plain'] });
  await terminal.waitForText(prompt);
  terminal.type('ec\t');
  await terminal.waitForText(`${prompt} echo`);
  terminal.type('plain words\r');
  await terminal.waitForText(/^plain words$/);
  terminal.write('\u001b[A');
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y] === `${prompt} echo plain words`, 'line from the history');
  terminal.write('\u0003');
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y] === prompt, 'empty prompt');
  terminal.type('wait\r');
  await terminal.waitForText(`${prompt} wait`);
  await terminal.waitFor(() => terminal.cursor.x === 0, 'running command');
  terminal.write('\u0003');
  await terminal.waitForText('wait: cancelled');
  terminal.type('read\r');
  await terminal.waitForText(`${prompt} read`);
  terminal.type('cd /data\r');
  await terminal.waitForText('cd /data');
  t.false(terminal.raw.includes('HEALTHY'));
  terminal.write('\u0004');
  await terminal.waitForText('read 9 bytes');
  t.is((await terminal.waitForExit()).exitCode, 0);
});

test.serial('a dumb terminal gets no escape sequences from the plain shell', async (t) => {
  const terminal = open(t, { args: ['--plain'], env: { TERM: 'dumb', DFSH_FIXTURE_PUT_MS: '1000' } });
  await terminal.waitForText(prompt);
  terminal.type('put\r');
  await terminal.waitForText(/ 9\d% /);
  await terminal.waitForText(/✓ put events\.csv/);
  terminal.write('\u0004');
  t.is((await terminal.waitForExit()).exitCode, 0);
  t.false(terminal.raw.includes('\u001b'));
});
