import test from 'ava';
import { MemoryStore } from '../../source/storage/memory-store.js';
import { testConcurrentNamespaceOn } from '../helpers/concurrent-namespace.js';
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

testConcurrentNamespaceOn(
  test,
  {
    open: async (commitDelay) => new MemoryStore({ commitDelay }),
    close: (store) => store.close(),
    crash: (store, commitDelay, random) => new MemoryStore({ commitDelay, image: (store as MemoryStore).crashImage(random.next() < 0.5 ? 'durable' : 'inFlight') }),
  },
  200,
);
