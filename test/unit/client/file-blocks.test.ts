import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { FileBlocks } from '../../../source/client/file-blocks.js';
import type { RetryingCaller } from '../../../source/client/retrying-caller.js';
import { fetchVisibleLength } from '../../../source/client/visible-length.js';
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

test('a file being written does not seem to end before what was synced: not when the node that has it is dead, nor when it is rotten there', async (t) => {
  const block = { blockId: 7, generationStamp: 9, lengthBytes: 0 };
  const fetch = (located: Partial<LocatedBlock>, replicas: Record<string, object | null>) =>
    fetchVisibleLength(
      { block, blockIndex: 0, offsetBytes: 0, locations, token: '', isUnderConstruction: true, ...located },
      { openDataNode: (address) => ({ call: async () => replicas[address] }) as never, clock: new ManualClock(), signal: undefined },
    );
  const none = { 'dn1:1': null, 'dn2:1': null };
  t.deepEqual(await fetch({}, none), { lengthBytes: 0, locations }, 'nobody has anything yet');
  t.deepEqual(await fetch({ mayBeElsewhere: true }, none), { reasons: ['a data node that is dead may have it'] });
  const aside = { block: { ...block, lengthBytes: 500 }, state: 'quarantined', visibleLengthBytes: 0 };
  t.deepEqual(await fetch({}, { 'dn1:1': null, 'dn2:1': aside }), { reasons: ['dn2: what it had is rotten, and put aside'] });
  t.deepEqual(await fetch({}, { 'dn1:1': null, 'dn2:1': { ...aside, block: { ...block, generationStamp: 8 } } }), { lengthBytes: 0, locations }, 'of an older generation it is nothing');
  const good = { block: { ...block, lengthBytes: 500 }, state: 'being-written', visibleLengthBytes: 500 };
  t.deepEqual(await fetch({ mayBeElsewhere: true }, { 'dn1:1': aside, 'dn2:1': good }), { lengthBytes: 500, locations: locations.slice(1) });
});
