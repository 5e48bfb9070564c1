import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { followLines, lastLines } from '../../../source/cluster/node-log.js';

async function logFile(t: ExecutionContext, content?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-log-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'node.log');
  if (content !== undefined) await writeFile(path, content);
  return path;
}

test('the last lines are the last ones, whether the file ends with a newline or not', async (t) => {
  t.deepEqual(await lastLines(await logFile(t, 'a\nb\nc\n'), 2), ['b', 'c']);
  t.deepEqual(await lastLines(await logFile(t, 'a\nb\nc'), 2), ['b', 'c']);
  t.deepEqual(await lastLines(await logFile(t, 'a\n\n\n'), 2), ['', '']);
  t.deepEqual(await lastLines(await logFile(t, 'a\nb\n'), 10), ['a', 'b']);
  t.deepEqual(await lastLines(await logFile(t, ''), 10), []);
  t.deepEqual(await lastLines(await logFile(t, 'a\n'), 0), []);
  t.deepEqual(await lastLines(await logFile(t), 10), []);
});

test('lines that are longer than what is read at a time come whole, characters of several bytes too', async (t) => {
  const lines = Array.from({ length: 40 }, (_, index) => `${index} ${'ä'.repeat(5000)} end`);
  t.deepEqual(await lastLines(await logFile(t, `${lines.join('\n')}\n`), 30), lines.slice(-30));
});

test('what stands before the given place is left out', async (t) => {
  const path = await logFile(t, 'old 1\nold 2\nnew 1\n');
  t.deepEqual(await lastLines(path, 10, 12), ['new 1']);
  t.deepEqual(await lastLines(path, 10, 18), []);
});

test('following gives whole lines from now on, through a cut and through a replacement of the file', async (t) => {
  const path = await logFile(t, 'before\nhalf');
  const stop = new AbortController();
  const following = followLines(path, { clock: systemClock, signal: stop.signal });
  const next = async () => (await following.next()).value as string | undefined;
  const first = next();
  // The follower begins wherever it finds the file; only whole lines may come.
  await appendFile(path, ' of a line\n');
  const line = await Promise.race([first, appendUntil(path, first)]);
  t.true(line === 'half of a line' || line === 'again', line);
  await truncate(path, 0);
  const cut = next();
  t.regex((await Promise.race([cut, appendUntil(path, cut)]))!, /^again$/);
  await rename(path, `${path}.1`);
  await writeFile(path, 'fresh\n');
  for (let found = await next(); found !== 'fresh'; found = await next()) t.is(found, 'again');
  const last = next();
  stop.abort();
  t.is(await last, undefined);
});

async function appendUntil(path: string, done: Promise<unknown>): Promise<never> {
  let isDone = false;
  void done.then(() => (isDone = true));
  while (!isDone) {
    await appendFile(path, 'again\n');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return new Promise<never>(() => {});
}
