import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { promisify } from 'node:util';
import test from 'ava';
import { freePorts } from '../../helpers/free-ports.js';

const helper = new URL('../../helpers/free-ports.js', import.meta.url).href;

test('processes that test at the same time are given no port twice, and do not wait for each other', async (t) => {
  // Each holds its ports until all have theirs.
  const program = `const { freePorts } = await import(${JSON.stringify(helper)}); console.log(JSON.stringify(await freePorts(5, 2))); await new Promise((done) => process.stdin.once('end', done).resume());`;
  const children = Array.from({ length: 6 }, () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]));
  await Promise.all(children.map(({ child }) => once(child.stdout!, 'data')));
  for (const { child } of children) child.stdin!.end();
  const given = (await Promise.all(children)).flatMap(({ stdout }) => JSON.parse(stdout) as number[]);
  given.push(...(await freePorts(5)));
  t.is(new Set(given).size, 35);
});

test('who asks at the same time gets neither ports nor spare ones between those of another', async (t) => {
  // More than there are in a block: it begins anew.
  for (let round = 0; round < 4; round++) {
    const all = await Promise.all(Array.from({ length: 20 }, () => freePorts(3, 2)));
    for (const [i, ports] of all.entries()) {
      t.true(ports[0]! < ports[1]! && ports[1]! < ports[2]!);
      for (const [j, others] of all.entries()) if (i !== j) t.false(others.some((port) => port >= ports[0]! && port <= ports[2]! + 2), `${ports.join()} and ${others.join()}`);
    }
  }
});

test('a port that somebody listens on is passed over', async (t) => {
  const [first] = (await freePorts(1)) as [number];
  const server = createServer().listen(first + 1, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const ports = await freePorts(3);
  t.is(ports.length, 3);
  t.false(ports.includes(first + 1));
});
