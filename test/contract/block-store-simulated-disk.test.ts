import { ManualClock } from '../../source/base/clock.js';
import { seededRandom } from '../../source/base/random.js';
import { LocalBlockStore } from '../../source/storage/local-block-store.js';
import { dataName, finalizedSubdirectory, metaName } from '../../source/storage/volume-layout.js';
import { blockStoreContract } from '../helpers/block-store-contract.js';
import { SimulatedDisk } from '../helpers/simulated-disk.js';

blockStoreContract('a simulated disk', async (_t, run) => {
  const disk = new SimulatedDisk();
  const open = () =>
    LocalBlockStore.open({ disk: disk.mount(), directories: ['/data'], clock: new ManualClock(), random: seededRandom(1) });
  let store = await open();
  await run({
    store,
    reopen: async () => {
      await store.close();
      return (store = await open());
    },
    damage: async ({ blockId, generationStamp }, file, offset) => {
      disk.bytes(
        `/data/current/${finalizedSubdirectory(blockId)}/${file === 'data' ? dataName(blockId) : metaName(blockId, generationStamp)}`,
      )[offset]! ^= 0x10;
    },
  });
  await store.close();
});
