import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../source/base/random.js';
import { createLocalFileSystem } from '../../source/filesystem/local-file-system.js';
import { testFileSystem } from '../helpers/file-system-contract.js';

testFileSystem('local', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'dfsh-local-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return { fileSystem: createLocalFileSystem({ random: systemRandom }), root };
});
