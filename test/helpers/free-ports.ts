import { createServer, type Server } from 'node:net';

/**
 * Ports of 127.0.0.1 that nobody listens on, rising, and with `spare` ones behind the last that nobody else is given. Not from the
 * range that the system takes for outgoing connections, as port 0 would be: one of those could be in use again a moment later. Each
 * process that runs tests has a block of its own: whoever listens on the first port of a block has it, for as long as it lives.
 */
const blockSize = 256;
const blockCount = 78;
const firstPort = 10_240;
let block: Promise<number> | undefined;
let next = 1;
let last: Promise<unknown> = Promise.resolve();

export function freePorts(count: number, spare = 0): Promise<number[]> {
  // One caller after the other, or the ports behind one's last would be another's.
  const mine = last.then(() => takePorts(count, spare));
  last = mine.catch(() => {});
  return mine;
}

async function takePorts(count: number, spare: number): Promise<number[]> {
  const first = await (block ??= takeBlock());
  const ports: number[] = [];
  for (let tried = 0; ports.length < count + spare; tried++) {
    if (tried === 2 * blockSize) throw new Error(`no ${count + spare} free ports from ${first} on`);
    const port = first + next;
    next = (next % (blockSize - 1)) + 1;
    // Back at the begin of the block: none behind those so far.
    if (next === 1) {
      ports.length = 0;
      continue;
    }
    if (await isFree(port)) ports.push(port);
  }
  return ports.slice(0, count);
}

async function takeBlock(): Promise<number> {
  for (let i = 0; i < blockCount; i++) {
    const first = firstPort + ((process.pid + i) % blockCount) * blockSize;
    const server = await listen(first);
    if (!server) continue;
    server.unref();
    return first;
  }
  throw new Error(`all blocks of ports from ${firstPort} on are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server) await new Promise((resolve) => server.close(resolve));
  return server !== undefined;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
