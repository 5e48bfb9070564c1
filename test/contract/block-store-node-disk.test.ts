import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../source/base/clock.js';
import { systemRandom } from '../../source/base/random.js';
import { LocalBlockStore } from '../../source/storage/local-block-store.js';
import { nodeDisk } from '../../source/storage/node-disk.js';
import { dataName, finalizedSubdirectory, metaName } from '../../source/storage/volume-layout.js';
import { blockStoreContract } from '../helpers/block-store-contract.js';

blockStoreContract('local directories', async (_t, run) => {
  const directory = await mkdtemp(join(tmpdir(), 'dfsh-blocks-'));
  const open = () => LocalBlockStore.open({ disk: nodeDisk, directories: [directory], clock: systemClock, random: systemRandom });
  let store = await open();
  try {
    await run({
      store,
      reopen: async () => {
        await store.close();
        return (store = await open());
      },
      damage: async ({ blockId, generationStamp }, file, offset) => {
        const path = join(
          directory,
          'current',
          finalizedSubdirectory(blockId),
          file === 'data' ? dataName(blockId) : metaName(blockId, generationStamp),
        );
        const bytes = await readFile(path);
        bytes[offset]! ^= 0x10;
        await writeFile(path, bytes);
      },
    });
  } finally {
    await store.close();
    await rm(directory, { recursive: true });
  }
});
