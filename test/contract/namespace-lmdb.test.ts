import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../source/base/log.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { testNamespaceOn } from '../helpers/namespace-contract.js';

let folder: string | undefined;
const open = () => openLmdbStore({ directory: join(folder!, 'store'), logger: silentLogger });

testNamespaceOn(
  test,
  {
    open: async () => {
      folder = await mkdtemp(join(tmpdir(), 'dfsh-namespace-'));
      return open();
    },
    reopen: async (store) => {
      await store.close();
      return open();
    },
    close: async (store) => {
      await store.close();
      await rm(folder!, { recursive: true });
    },
  },
  15,
);
