import test from 'ava';
import type { DfsClient, FileWriter, WriteOptions } from '../../../source/client/client-api.js';
import { createDfsFileSystem } from '../../../source/filesystem/dfs-file-system.js';
import type { TransferProgress } from '../../../source/filesystem/file-system.js';

/** A client that notes how a file is opened and closed. */
function setUp() {
  const calls: { opened: [string, WriteOptions][]; closed: unknown[]; aborted: number } = { opened: [], closed: [], aborted: 0 };
  let isCloseFailing = false;
  const client = {
    uri: 'dfs://h:1',
    async openWriter(path: string, options: WriteOptions) {
      calls.opened.push([path, options]);
      return {
        status: { blockSizeBytes: 100 },
        async close(closing: unknown) {
          calls.closed.push(closing);
          if (isCloseFailing) throw new Error('no');
          return { status: {}, degraded: [] };
        },
        async abort() {
          calls.aborted++;
        },
      } as unknown as FileWriter;
    },
  } as unknown as DfsClient;
  return { calls, fileSystem: createDfsFileSystem(client), failClose: () => void (isCloseFailing = true) };
}

test('a temporary path is written as one that goes with its lease, and renamed by the close', async (t) => {
  const { calls, fileSystem } = setUp();
  const sink = await fileSystem.create('/f', { temporaryPath: '/f._COPYING_', overwrite: false, times: { modificationTimeMs: 1, accessTimeMs: 2 } });
  await sink.close();
  const [path, options] = calls.opened[0]!;
  t.is(path, '/f._COPYING_');
  // What an earlier copy left under that name is in nobody's way.
  t.like(options, { temporary: true, overwrite: true });
  t.deepEqual(calls.closed, [{ renameTo: { path: '/f', overwrite: false }, modificationTimeMs: 1, accessTimeMs: 2 }]);
});

test('a direct write is closed, not deleted, when its lease ends', async (t) => {
  const { calls, fileSystem } = setUp();
  const sink = await fileSystem.create('/f', { overwrite: false });
  await sink.close();
  t.is(calls.opened[0]![0], '/f');
  t.like(calls.opened[0]![1], { temporary: false, overwrite: false });
  t.deepEqual(calls.closed, [{}]);
});

test('a close that fails leaves nothing behind', async (t) => {
  const { calls, fileSystem, failClose } = setUp();
  failClose();
  const sink = await fileSystem.create('/f');
  await t.throwsAsync(sink.close());
  t.is(calls.aborted, 1);
});

test('progress tells how many blocks there will be', async (t) => {
  const { calls, fileSystem } = setUp();
  const seen: TransferProgress[] = [];
  await fileSystem.create('/f', { expectedLengthBytes: 250, onProgress: (progress) => seen.push(progress) });
  calls.opened[0]![1].onProgress!({ sentBytes: 120, acknowledgedBytes: 100, durableReplicaBytes: 300, replication: 3, blockIndex: 1, durableReplicaCounts: [3], pipeline: ['dn1'], failures: [] });
  t.like(seen[0], { doneBytes: 120, durableReplicaBytes: 300, blockIndex: 1, blockCount: 3, nodes: ['dn1'] });
});
