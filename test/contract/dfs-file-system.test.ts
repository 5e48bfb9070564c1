import test from 'ava';
import { createDfsFileSystem } from '../../source/filesystem/dfs-file-system.js';
import type { FileSystem } from '../../source/filesystem/file-system.js';
import { testFileSystem } from '../helpers/file-system-contract.js';
import { MiniCluster } from '../helpers/mini-cluster.js';

let fileSystem: FileSystem;
let count = 0;
const ends: (() => Promise<void>)[] = [];

test.before(async () => {
  const cluster = await MiniCluster.start({ teardown: (end) => void ends.push(end) });
  fileSystem = createDfsFileSystem(cluster.client());
});
test.after.always(async () => {
  for (const end of ends) await end();
});

testFileSystem('dfs', async () => {
  const root = `/contract-${++count}`;
  await fileSystem.mkdirs(root);
  return { fileSystem, root };
});
