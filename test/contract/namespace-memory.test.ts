import test from 'ava';
import { MemoryStore } from '../../source/storage/memory-store.js';
import { testNamespaceOn } from '../helpers/namespace-contract.js';

testNamespaceOn(
  test,
  {
    open: async () => new MemoryStore(),
    reopen: async (store) => new MemoryStore({ image: (store as MemoryStore).crashImage() }),
    close: (store) => store.close(),
  },
  150,
);
