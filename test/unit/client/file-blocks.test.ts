import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { FileBlocks } from '../../../source/client/file-blocks.js';
import type { RetryingCaller } from '../../../source/client/retrying-caller.js';
import type { LocatedBlock, ReplicaLocation } from '../../../source/protocol/block.js';

const locations = ['dn1', 'dn2'].map((name) => ({ name, datanodeUuid: name, storageId: name, address: `${name}:1`, rack: '/r', state: 'live' })) as ReplicaLocation[];

/** A file whose only block is being written: the name node knows of `known` bytes, its nodes of `visible`. */
async function openGrowing(lengths: { known: number; visible: number }) {
  const block = { blockId: 7, generationStamp: 9, lengthBytes: lengths.known };
  const located: LocatedBlock = { block, blockIndex: 0, offsetBytes: 0, locations, token: '', isUnderConstruction: true };
  const answer = { file: { inodeId: 1, lengthBytes: 0, isUnderConstruction: true }, blocks: [located], hasMore: false };
  const nameNode = { call: async () => structuredClone(answer) } as unknown as RetryingCaller;
  const dataNode = { call: async () => ({ block: { ...block, lengthBytes: lengths.visible }, state: 'being-written', visibleLengthBytes: lengths.visible }), close: () => {} };
  const blocks = await FileBlocks.open(nameNode, '/f', { lengthParts: { openDataNode: () => dataNode as never, clock: new ManualClock() } });
  return { blocks, answer };
}

test('a block that is being written is not taken for cut when its places are asked for again', async (t) => {
  const { blocks, answer } = await openGrowing({ known: 0, visible: 500 });
  const first = blocks.next()!;
  t.is(first.block.lengthBytes, 500);
  // Its pipeline has changed meanwhile: other nodes, another generation.
  Object.assign(answer.blocks[0]!, { block: { blockId: 7, generationStamp: 10, lengthBytes: 300 }, locations: locations.slice(1) });
  const again = await blocks.refetch(first);
  t.deepEqual(again.block, { blockId: 7, generationStamp: 10, lengthBytes: 500 });
  t.deepEqual(again.locations.map(({ name }) => name), ['dn2']);
});

test('a block that was closed meanwhile has the length that it was closed with', async (t) => {
  const { blocks, answer } = await openGrowing({ known: 0, visible: 500 });
  const first = blocks.next()!;
  for (const lengthBytes of [700, 400]) {
    Object.assign(answer.blocks[0]!, { block: { blockId: 7, generationStamp: 10, lengthBytes }, isUnderConstruction: undefined });
    t.is((await blocks.refetch(first)).block.lengthBytes, lengthBytes);
  }
});
