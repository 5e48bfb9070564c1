import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../source/base/log.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { testKeyValueStore } from '../helpers/key-value-contract.js';

testKeyValueStore(test, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-kv-'));
  const open = () => openLmdbStore({ directory: join(folder, 'a.b', 'store'), logger: silentLogger });
  let store = await open();
  return {
    store,
    reopen: async () => {
      await store.close();
      return (store = await open());
    },
    dispose: async () => {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});
