import test from 'ava';
import { ClusterMismatchError, RpcError, VersionMismatchError } from '../../../source/protocol/errors.js';
import { helloOf } from '../../../source/protocol/hello.js';
import { checkHello, contextOf } from '../../../source/transport/hello-check.js';
import { testIdentity } from '../../helpers/echo-node.js';

const own = testIdentity({ role: 'namenode', clusterId: 'C1', user: 'hdfs', clientId: 'nn' });

test('a hello of the same version and cluster passes, and tells who calls', (t) => {
  for (const clusterId of ['C1', null]) {
    const hello = checkHello(helloOf(testIdentity({ clusterId, user: 'Jürgen' })), own, '127.0.0.1:5000');
    t.deepEqual(contextOf(hello, '127.0.0.1:5000'), { role: 'client', user: 'Jürgen', clientId: 'client-1', remoteAddress: '127.0.0.1:5000' });
  }
  t.notThrows(() => checkHello(helloOf(testIdentity({ clusterId: 'C2' })), { ...own, clusterId: null }, 'x'));
});

test('another version is refused with both versions named, whatever else the hello holds', (t) => {
  t.throws(() => checkHello({ magic: 'dfsh', version: 9, whatever: true }, own, '127.0.0.1:5000'), { instanceOf: VersionMismatchError, message: /127\.0\.0\.1:5000 speaks version 9 .* namenode version 2/ });
});

test('another cluster is refused with both clusters named', (t) => {
  t.throws(() => checkHello(helloOf(testIdentity({ clusterId: 'C2' })), own, '127.0.0.1:5000'), { instanceOf: ClusterMismatchError, message: /cluster C2.*cluster C1/ });
});

test('what is no hello is refused', (t) => {
  const hello = helloOf(testIdentity());
  const bad: unknown[] = [undefined, null, 5, 'dfsh', [], {}, { jsonrpc: '2.0', id: 1, method: 'x' }, { ...hello, magic: 'other' }, { ...hello, version: '1' }];
  for (const field of ['role', 'user', 'clientId', 'clusterId'] as const) {
    for (const value of [undefined, 5, '', 'a\nb', 'x'.repeat(256), '\ud800', {}]) bad.push({ ...hello, [field]: value });
  }
  for (const received of bad) t.throws(() => checkHello(received, own, 'x'), { instanceOf: RpcError }, JSON.stringify(received));
  t.throws(() => contextOf(checkHello(helloOf(own), own, 'x'), 'x'), { instanceOf: RpcError });
});
