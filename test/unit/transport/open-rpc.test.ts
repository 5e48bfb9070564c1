import test from 'ava';
import { clientProtocol } from '../../../source/protocol/client-protocol.js';
import { datanodeProtocol, datanodeServiceProtocol } from '../../../source/protocol/datanode-protocol.js';
import { errorTable } from '../../../source/protocol/errors.js';
import { describeMethods } from '../../../source/transport/open-rpc.js';
import { type Service, createRpcServer } from '../../../source/transport/rpc-server.js';
import { recordingLogger } from '../../helpers/echo-node.js';

const protocols = { ...clientProtocol, ...datanodeProtocol, ...datanodeServiceProtocol };
const handlers = Object.fromEntries(Object.keys(protocols).map((name) => [name, () => null]));
const services: Service[] = [{ protocol: protocols, handlers, allowedRoles: ['client'] }];
const context = { user: 'alice', clientId: 'c', role: 'client', remoteAddress: 'x' } as const;

function ask(server: ReturnType<typeof createRpcServer>, method: string, params: unknown = {}): Promise<{ result?: never; error?: { code: number } }> {
  return new Promise((resolve) => server.call({ jsonrpc: '2.0', id: 1, method, params }, context, (text) => resolve(JSON.parse(text!) as never)));
}

test('rpc.discover lists exactly the methods that are served (fault 58)', async (t) => {
  const server = createRpcServer({ services, title: 'all', logger: recordingLogger() });
  const { result } = await ask(server, 'rpc.discover');
  const document = result as unknown as ReturnType<typeof describeMethods>;
  const listed = document.methods.map(({ name }) => name);
  t.deepEqual([...listed].sort(), ['rpc.discover', ...Object.keys(protocols)].sort());
  for (const name of listed) t.not((await ask(server, name, { nonsense: 1 })).error?.code, -32601, name);
  t.is((await ask(server, 'fs.nosuch')).error?.code, -32601);
  t.is((await ask(server, '__proto__')).error?.code, -32601);
  t.is((await ask(server, 'constructor')).error?.code, -32601);
});

test('the document has the form of OpenRPC 1.3.2', (t) => {
  const document = JSON.parse(JSON.stringify(describeMethods(services, 'dfsh name node'))) as ReturnType<typeof describeMethods>;
  t.is(document.openrpc, '1.3.2');
  t.is(document.info.title, 'dfsh name node');
  for (const method of document.methods) {
    t.deepEqual(Object.keys(method).filter((key) => !['name', 'summary', 'paramStructure', 'params', 'result', 'x-roles', 'x-mutating'].includes(key)), []);
    t.is(method.paramStructure, 'by-name');
    t.truthy(method.result.name);
    t.is(typeof method.result.schema, 'object');
    for (const param of method.params) t.deepEqual(Object.keys(param), ['name', 'required', 'schema']);
    t.is(new Set(method.params.map(({ name }) => name)).size, method.params.length);
  }
  const create = document.methods.find(({ name }) => name === 'fs.create')!;
  t.true(create['x-mutating']);
  t.deepEqual(create.params.find(({ name }) => name === 'permission'), { name: 'permission', required: true, schema: JSON.parse(JSON.stringify(clientProtocol['fs.create'].params.properties.permission)) as object });
  t.false(create.params.find(({ name }) => name === 'callId')!.required);
});

test('every error of the table is in the document, by its code', (t) => {
  const { errors } = describeMethods(services, 'x').components;
  for (const { name, code } of errorTable()) t.is(errors[name]?.code, code);
  t.is(errors['invalidParams']?.code, -32602);
});
