import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../source/base/log.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { testConcurrentNamespaceOn } from '../helpers/concurrent-namespace.js';
import { testNamespaceOn } from '../helpers/namespace-contract.js';

let folder: string | undefined;
const open = () => openLmdbStore({ directory: join(folder!, 'store'), logger: silentLogger });

const factory = {
  open: async () => {
    folder = await mkdtemp(join(tmpdir(), 'dfsh-namespace-'));
    return open();
  },
  close: async (store: KeyValueStore) => {
    await store.close();
    await rm(folder!, { recursive: true });
  },
};
const reopen = async (store: KeyValueStore) => {
  await store.close();
  return open();
};

testNamespaceOn(test, { ...factory, reopen }, 15);

testConcurrentNamespaceOn(test, factory, 30);
