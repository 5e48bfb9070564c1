import { ManualClock } from '../../source/base/clock.js';
import { createRpcCaller } from '../../source/transport/rpc-client.js';
import { startEchoNode, testIdentity } from '../helpers/echo-node.js';
import { testRpcCaller } from '../helpers/rpc-contract.js';

testRpcCaller('RPC over TCP', async (handlers, logger) => {
  const { listener } = await startEchoNode({ services: handlers.services, logger });
  const clock = new ManualClock();
  const caller = createRpcCaller<never>({ address: listener.address, identity: testIdentity(), clock });
  const close = async () => {
    caller.close();
    await listener.close();
  };
  return { caller: caller as never, clock, close };
});
