import { createServer } from 'node:net';
import { threadId } from 'node:worker_threads';

/**
 * Ports of 127.0.0.1 that nobody listens on, rising, and with `spare` ones behind the last that nobody else is given. Not from the
 * range that the system takes for outgoing connections, as port 0 would be: one of those could be in use again a moment later. Each
 * process that runs tests has a block of its own.
 */
const blockSize = 256;
const blockCount = 78;
const first = 10_240 + ((process.pid * 31 + threadId) % blockCount) * blockSize;
let next = 0;

export async function freePorts(count: number, spare = 0): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count + spare) {
    const port = first + (next++ % blockSize);
    if (await isFree(port)) ports.push(port);
  }
  return ports.sort((a, b) => a - b).slice(0, count);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
