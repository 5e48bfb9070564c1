import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { LocalBlockStore } from '../../../source/storage/local-block-store.js';
import { appendAll, content, readVerified } from '../../helpers/replica-content.js';
import { failure, SimulatedDisk } from '../../helpers/simulated-disk.js';

const block = { blockId: 1, generationStamp: 9 };
const chunkBytes = 64;

const open = (disk: SimulatedDisk) => LocalBlockStore.open({ disk: disk.mount(), directories: ['/somewhere/new/data'], clock: new ManualClock(), random: seededRandom(1) });

for (const [what, fail] of [
  ['kill -9', (disk: SimulatedDisk) => disk.die()],
  ['a failed call', () => { throw failure('EIO', 'the disk'); }],
] as const) {
  test(`whatever ${what} has cut off of the first start with a new directory, the next one makes good: the power takes nothing that it was given (faults 5, 6, 21)`, async (t) => {
    for (let at = 1; ; at++) {
      const disk = new SimulatedDisk();
      disk.onCall = (_call, _path, callCount) => {
        if (callCount === at) fail(disk);
      };
      const isOver = await open(disk).then(() => disk.callCount < at, () => false);
      disk.restart();
      const store = await open(disk);
      const writer = await store.create({ ...block, storageId: '', chunkBytes, isDurable: true, isTemporary: false });
      await appendAll(writer, content(1, 300), { chunkBytes, packetBytes: 4096, isLast: true });
      await writer.finalize();
      disk.powerCut('lost', seededRandom(1));
      const after = await open(disk);
      t.is(after.getReplica(1)?.state, 'finalized', `call ${at}`);
      t.deepEqual(await readVerified(after, block), content(1, 300));
      if (isOver) break;
      t.true(at < 100);
    }
  });
}
