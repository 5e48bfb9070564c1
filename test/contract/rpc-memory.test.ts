import { ManualClock } from '../../source/base/clock.js';
import { createMemoryRpcCaller } from '../helpers/memory-rpc.js';
import { testRpcCaller } from '../helpers/rpc-contract.js';

testRpcCaller('RPC in memory', async (handlers, logger) => {
  const clock = new ManualClock();
  const context = { user: 'alice', clientId: 'client-1', role: 'client', remoteAddress: 'memory:1' } as const;
  const caller = createMemoryRpcCaller<never>({ services: handlers.services, context, clock, logger });
  return { caller: caller as never, clock, close: async () => caller.close() };
});
