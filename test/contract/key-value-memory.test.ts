import test from 'ava';
import { openMemoryStore } from '../../source/storage/memory-store.js';
import { testKeyValueStore } from '../helpers/key-value-contract.js';

testKeyValueStore(test, async () => {
  let store = openMemoryStore();
  const subject = {
    store,
    reopen: async () => {
      await store.close();
      return (store = openMemoryStore({ image: store.crashImage() }));
    },
    dispose: () => store.close(),
  };
  return subject;
});
