import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runProgram } from '../../source/run-program.js';

test('a program gets its arguments as they are, with no shell between (fault 65), and its failures are said in a few words', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-program-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const program = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, `#!${process.execPath}\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  const echo = program('echo', 'console.log(process.argv.slice(2).join("|"))');
  t.is(await runProgram(echo, ['$(touch x)', '`id`', 'a b', '; rm -rf /']), '$(touch x)|`id`|a b|; rm -rf /\n');
  await t.throwsAsync(runProgram(program('fails', 'process.exit(3)'), []), { message: 'it ended with 3' });
  await t.throwsAsync(runProgram(program('hangs', 'setInterval(() => {}, 1000)'), [], 300), { message: 'it was not done after 300 ms' });
  await t.throwsAsync(runProgram(program('floods', 'setInterval(() => console.log("/a".repeat(100_000)), 0)'), []), { message: 'it printed more than 1048576 bytes' });
  await t.throwsAsync(runProgram(join(folder, 'nowhere'), []), { message: 'it cannot be run: ENOENT' });
});
