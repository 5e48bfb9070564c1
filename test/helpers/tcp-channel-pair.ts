import { silentLogger } from '../../source/base/log.js';
import type { BlockChannel } from '../../source/protocol/block-stream.js';
import { createBlockChannelConnector } from '../../source/transport/block-channel-connector.js';
import { type ChannelPair, type ChannelPairOptions, patternFrame } from './block-channel-contract.js';
import { startEchoNode, testIdentity } from './echo-node.js';

/** A channel over a real listener on a free port; its hellos have been exchanged. */
export async function openTcpChannelPair(options: ChannelPairOptions & { isOnreadAllowed: boolean }): Promise<ChannelPair> {
  const { clock, idleTimeoutMs, maxFramesInFlight, isOnreadAllowed } = options;
  let accepted = (_channel: BlockChannel) => {};
  const acceptor = new Promise<BlockChannel>((resolve) => (accepted = resolve));
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const { listener } = await startEchoNode({
    clock,
    logger: silentLogger,
    limits: { blockIdleTimeoutMs: idleTimeoutMs, maxFramesInFlight, isOnreadAllowed },
    onBlockChannel: async (channel) => {
      accepted(channel);
      await finished;
    },
  });
  const connector = createBlockChannelConnector({ identity: testIdentity(), clock, idleTimeoutMs, maxFramesInFlight });
  const opener = await connector.connect(listener.address);
  await opener.write([patternFrame(3)]);
  const channel = await acceptor;
  (await channel.read())!.release();
  await channel.write([patternFrame(3)]);
  (await opener.read())!.release();
  const close = async () => {
    connector.close();
    channel.destroy();
    finish();
    await listener.close();
  };
  return { opener, acceptor: channel, close };
}
