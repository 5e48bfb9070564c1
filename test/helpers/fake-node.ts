import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * A program that stands for `dfsh namenode` and `dfsh datanode PORT` in tests of the launcher: the same arguments, a name node that
 * answers cluster.getHealth, data nodes that heartbeat to it and get their names in the config's order. `faults` in its config file, by port: `crash` ends at once with code 7,
 * `deaf` ignores SIGTERM; `safeModeMs` is how long the name node stays in safe mode.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { config: { type: 'string' }, 'data-dir': { type: 'string' }, 'name-node': { type: 'string' }, format: { type: 'boolean' } },
});
const config = JSON.parse(readFileSync(values.config!, 'utf8')) as { data_nodes: string[]; faults?: Record<string, string>; safeModeMs?: number };
const [role, portText] = positionals;
const nameNode = values['name-node']!;
const port = Number(role === 'namenode' ? nameNode.split(':')[1] : portText);
const fault = config.faults?.[port];
appendFileSync(join(values['data-dir']!, 'starts'), `${role} ${port}\n`);
console.log(`${role} ${port} begins`);
if (fault === 'crash') {
  console.error('cannot go on: the disk is on fire');
  process.exit(7);
}
process.on('SIGTERM', () => {
  console.log('SIGTERM');
  if (fault !== 'deaf') process.exit(0);
});

const heartbeats = new Map<string, number>(config.data_nodes.map((address) => [address, 0]));
const startMs = Date.now();
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    if (request.url === '/heartbeat') heartbeats.set(body, Date.now());
    const isOn = Date.now() - startMs < (config.safeModeMs ?? 0);
    const datanodes = [...heartbeats].map(([address, atMs], index) => ({ address, name: `dn${index + 1}`, state: Date.now() - atMs < 3000 ? 'live' : 'dead', sinceHeartbeatMs: Date.now() - atMs })).filter((_, index) => [...heartbeats.values()][index]! > 0);
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { safeMode: { isOn, reason: 'reports are missing', reportedBlocks: 0, totalBlocks: isOn ? 1 : 0 }, datanodes } }));
  });
});
server.listen(port, '127.0.0.1');
if (role === 'datanode') {
  const heartbeat = () => void fetch(`http://${nameNode}/heartbeat`, { method: 'POST', body: `127.0.0.1:${port}` }).catch(() => {});
  heartbeat();
  setInterval(heartbeat, 100);
}
