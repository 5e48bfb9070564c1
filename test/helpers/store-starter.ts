import { systemClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { systemRandom } from '../../source/base/random.js';
import { restoreNameNode } from '../../source/compose-backup.js';
import { NameNode } from '../../source/namenode/name-node.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { benchOptions } from './name-node-bench.js';

// A program for tests that kill it: says `begins`, and starts a name node on a directory, or restores one from an image; then `done`.
const [directory, image] = process.argv.slice(2) as [string, string | undefined];
process.stdout.write('begins\n');
if (image !== undefined) {
  await restoreNameNode({ directory, image, isReplaceWanted: true, clock: systemClock });
} else {
  const store = await openLmdbStore({ directory, logger: silentLogger });
  const nameNode = await NameNode.open({ store, clock: systemClock, random: systemRandom, logger: silentLogger, options: { ...benchOptions, isFormatWanted: false } });
  nameNode.start();
}
process.stdout.write('done\n');
setInterval(() => {}, 1000);
