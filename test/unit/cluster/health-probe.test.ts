import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { probeHealth } from '../../../source/cluster/health-probe.js';

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('the health of a name node is asked for by JSON-RPC', async (t) => {
  const health = { safeMode: { isOn: false }, datanodes: [] };
  const address = await serve(t, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { jsonrpc, method, params, id } = JSON.parse(body) as Record<string, unknown>;
      t.deepEqual([request.method, request.url, jsonrpc, method, params], ['POST', '/rpc', '2.0', 'cluster.getHealth', {}]);
      t.truthy(request.headers['x-dfsh-user']);
      response.end(JSON.stringify({ jsonrpc, id, result: health }));
    });
  });
  t.deepEqual(await probeHealth(address), health as never);
});

test('nobody, somebody else, an error and a broken answer are no name node', async (t) => {
  const answers = ['<html>', '{}', 'null', '{"result":null}', '{"result":{"datanodes":[]}}', '{"jsonrpc":"2.0","id":1,"error":{"code":1010,"message":"no"}}'];
  for (const answer of answers) t.is(await probeHealth(await serve(t, (_, response) => void response.end(answer))), undefined, answer);
  t.is(await probeHealth(await serve(t, (request) => void request.socket.destroy())), undefined);
  t.is(await probeHealth(await serve(t, (_, response) => {
    response.write('{"result":');
    setImmediate(() => response.destroy());
  })), undefined);
  t.is(await probeHealth('127.0.0.1:1'), undefined);
});

test('one that accepts and stays silent is given up', async (t) => {
  t.is(await probeHealth(await serve(t, () => {})), undefined);
});
