import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { FailedNodes } from '../../../source/client/failed-nodes.js';

test('what failed a write is said once for each node and reason, with how often', (t) => {
  const failed = new FailedNodes(new ManualClock());
  const node = (name: string) => ({ datanodeUuid: name, storageId: '', name, address: '127.0.0.1:9864', rack: '/default-rack', state: 'live' as const });
  for (const [name, reason] of [['dn1', 'is out of space'], ['dn3', 'is out of space'], ['dn1', 'is out of space'], ['dn3', 'refused the connection'], ['dn1', 'is out of space']] as const) failed.add(node(name), reason);
  t.deepEqual(failed.lines(), ['dn1: is out of space (3 times)', 'dn3: is out of space', 'dn3: refused the connection']);
  t.is(failed.failures.length, 5);
});
