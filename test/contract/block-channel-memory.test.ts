import { testBlockChannel } from '../helpers/block-channel-contract.js';
import { createMemoryChannelPair } from '../helpers/memory-channel.js';

testBlockChannel('in memory', async (options) => {
  const [opener, acceptor] = createMemoryChannelPair(options);
  const close = async () => {
    opener.destroy();
    acceptor.destroy();
  };
  return { opener, acceptor, close };
});
