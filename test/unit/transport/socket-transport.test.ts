import { type Socket, createServer } from 'node:net';
import test from 'ava';
import { adoptSocket } from '../../../source/transport/socket-transport.js';
import { RawConnection } from '../../helpers/raw-connection.js';
import { until } from '../../helpers/echo-node.js';

const onread = { buffer: () => Buffer.alloc(1000), callback: () => true };

async function acceptOne(): Promise<{ accepted: Socket; connection: RawConnection; close: () => void }> {
  let accepted: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => (accepted = socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = await RawConnection.open(`127.0.0.1:${(server.address() as { port: number }).port}`);
  await until(() => accepted !== undefined);
  const close = () => {
    connection.socket.destroy();
    accepted!.destroy();
    server.close();
  };
  return { accepted: accepted!, connection, close };
}

test('on this Node an accepted socket can be read straight into our buffers', async (t) => {
  const { accepted, connection, close } = await acceptOne();
  let received = '';
  const buffer = Buffer.alloc(4);
  const adopted = adoptSocket(accepted, {
    buffer: () => buffer,
    callback: (count) => {
      received += buffer.toString('latin1', 0, count);
      return true;
    },
  });
  t.truthy(adopted, 'reading falls back to data events, at three times the CPU time: see socket-transport.ts');
  t.true(accepted.destroyed);
  connection.socket.write('0123456789');
  await until(() => received === '0123456789');
  adopted!.write('{"back":1}\n');
  t.deepEqual(await connection.line(), { back: 1 });
  adopted!.destroy();
  await connection.closed;
  close();
});

for (const member of ['readStop', 'useUserBuffer', 'reading']) {
  test(`a Node that is made otherwise inside (no ${member}) leaves the socket as it was`, async (t) => {
    const { accepted, connection, close } = await acceptOne();
    const internals = accepted as unknown as { _handle: object };
    const handle = internals._handle;
    internals._handle = new Proxy(handle, { get: (target, name) => (name === member ? undefined : (Reflect.get(target, name) as unknown)) });
    t.is(adoptSocket(accepted, onread), undefined);
    internals._handle = handle;
    t.false(accepted.destroyed);
    connection.socket.write('x');
    t.is(((await new Promise((resolve) => accepted.once('data', resolve))) as Buffer).toString(), 'x');
    close();
  });
}
