import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import test from 'ava';
import { CutProxy } from '../../helpers/cut-proxy.js';

test('a proxy that resets connections in the moment of their end closes, and keeps no socket', async (t) => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const proxy = await CutProxy.open(`127.0.0.1:${port}`);
  const end = Socket.prototype.end;
  let resets = 0;
  Socket.prototype.end = function (this: Socket, ...args: Parameters<typeof end>) {
    // The proxy hands on the caller's end.
    if (this.remotePort === port) process.nextTick(() => (resets++, proxy.reset()));
    return end.apply(this, args);
  } as typeof end;
  t.teardown(() => (Socket.prototype.end = end));
  const caller = connect({ host: '127.0.0.1', port: Number(proxy.address.split(':')[1]), allowHalfOpen: true });
  caller.on('error', () => {});
  caller.resume();
  const closed = new Promise((resolve) => caller.once('close', resolve));
  caller.end('words');
  await closed;
  t.true(resets > 0);
  await proxy.close();
  server.close();
  await once(server, 'close');
  t.false(process.getActiveResourcesInfo().includes('TCPSocketWrap'));
});
