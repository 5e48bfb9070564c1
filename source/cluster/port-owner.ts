import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { type Address } from '../base/address.js';
import { escapeControls } from '../base/text.js';

/** True if a server could listen there now. */
export function isPortFree({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

const maxCommandLength = 120;

/** Who listens on a port of this machine: `process 4711 (python3 -m http.server 9865)`, as far as /proc lets us see; else undefined. */
export async function describePortOwner(port: number): Promise<string | undefined> {
  const inode = await findListener(port);
  if (inode === undefined) return undefined;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    if (!(await hasSocket(pid, inode))) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').join(' ').trim();
    const shown = command.length > maxCommandLength ? `${command.slice(0, maxCommandLength)}...` : command;
    return `process ${pid}${shown ? ` (${escapeControls(shown)})` : ''}`;
  }
  return undefined;
}

/** The inode of the socket that listens (proc(5), /proc/net/tcp: local address, state 0A, inode). */
async function findListener(port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === '0A') return fields[9];
    }
  }
  return undefined;
}

async function hasSocket(pid: string, inode: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    if ((await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')) === `socket:[${inode}]`) return true;
  }
  return false;
}
