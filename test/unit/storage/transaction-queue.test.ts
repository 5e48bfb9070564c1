import test from 'ava';
import { NoSpaceError } from '../../../source/protocol/errors.js';
import { wholeRange } from '../../../source/storage/key-encoding.js';
import { openMemoryStore } from '../../../source/storage/memory-store.js';
import { maxWaitingTransactions } from '../../../source/storage/transaction-queue.js';

const bytes = (text: string) => Buffer.from(text);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A simulated disk: each commit waits until the test lets it end. */
function heldCommits() {
  const held: { resolve: () => void; reject: (error: Error) => void }[] = [];
  return { held, commitDelay: () => new Promise<void>((resolve, reject) => held.push({ resolve, reject })) };
}

test('while a commit is in flight calls gather, and are committed as one group with the next', async (t) => {
  const { held, commitDelay } = heldCommits();
  const store = openMemoryStore({ commitDelay });
  const settled: string[] = [];
  const call = (name: string) => store.transact((transaction) => transaction.put(name, bytes(name))).then(() => settled.push(name));
  const calls = [call('a')];
  await turn();
  calls.push(call('b'), call('c'), call('d'));
  await turn();
  t.is(held.length, 1);
  held[0]!.resolve();
  await turn();
  t.deepEqual(settled, ['a']);
  t.is(held.length, 2);
  held[1]!.resolve();
  await Promise.all(calls);
  t.deepEqual(settled, ['a', 'b', 'c', 'd']);
  t.is(held.length, 2);
});

test('until a commit is durable nobody outside sees it and nobody is answered, a refusal that rests on it neither', async (t) => {
  const { held, commitDelay } = heldCommits();
  const store = openMemoryStore({ commitDelay });
  const settled: string[] = [];
  const calls = [
    store.transact((transaction) => transaction.put('file', bytes('1'))).then(() => settled.push('created')),
    store
      .transact((transaction) => {
        if (transaction.get('file')) throw new Error('it exists');
      })
      .catch((error: Error) => settled.push(error.message)),
  ];
  await turn();
  t.deepEqual(settled, []);
  t.is(store.get('file'), undefined);
  t.deepEqual([...store.range(wholeRange)], []);
  held[0]!.resolve();
  await Promise.all(calls);
  t.deepEqual(settled, ['created', 'it exists']);
  t.deepEqual(store.get('file'), bytes('1'));
});

test('a failed commit rejects its whole group and all that come later, says so, and leaves reads at the last good commit', async (t) => {
  const { held, commitDelay } = heldCommits();
  const store = openMemoryStore({ commitDelay });
  const put = (name: string) => store.transact((transaction) => transaction.put(name, bytes(name)));
  const first = put('a');
  await turn();
  held[0]!.resolve();
  await first;
  const group = [put('b'), store.transact((transaction) => transaction.get('b')), store.transact(() => { throw new Error('refused'); })];
  await turn();
  const later = put('c');
  held[1]!.reject(new Error('EIO: i/o error, fsync'));
  for (const call of [...group, later, put('d')]) {
    const error = await t.throwsAsync(call, { name: 'StorageDamagedError' });
    t.regex(error!.message, /EIO: i\/o error, fsync/);
  }
  t.is((await store.failed).name, 'StorageDamagedError');
  let hasRun = false;
  await t.throwsAsync(store.transact(() => (hasRun = true)), { name: 'StorageDamagedError' });
  t.false(hasRun);
  t.deepEqual([...store.range(wholeRange)].map(([key]) => key), ['a']);
  t.is(held.length, 2);
  await store.close();
});

test('a crash leaves the last durable commit, or that and the whole commit in flight', async (t) => {
  const { held, commitDelay } = heldCommits();
  const store = openMemoryStore({ commitDelay });
  const first = store.transact((transaction) => transaction.put('a', bytes('1')));
  await turn();
  held[0]!.resolve();
  await first;
  void store.transact((transaction) => transaction.put('b', bytes('2')));
  void store.transact((transaction) => transaction.delete('a'));
  await turn();
  const keysAfter = (moment: 'durable' | 'inFlight') => [...openMemoryStore({ image: store.crashImage(moment) }).range(wholeRange)].map(([key]) => key);
  t.deepEqual(keysAfter('durable'), ['a']);
  t.deepEqual(keysAfter('inFlight'), ['b']);
});

test('a crash image stays as it was whatever either store does afterwards', async (t) => {
  const store = openMemoryStore();
  await store.transact((transaction) => transaction.put('a', bytes('1')));
  const image = store.crashImage();
  const second = openMemoryStore({ image });
  await store.transact((transaction) => transaction.put('b', bytes('2')));
  await second.transact((transaction) => transaction.delete('a'));
  const keys = (reader: typeof store) => [...reader.range(wholeRange)].map(([key]) => key);
  t.deepEqual(keys(store), ['a', 'b']);
  t.deepEqual(keys(second), []);
  t.deepEqual(keys(openMemoryStore({ image })), ['a']);
});

test('what the backend refuses is refused alone, with nothing of it applied; reads and other calls go on', async (t) => {
  let isFull = false;
  const store = openMemoryStore({ refusal: () => (isFull ? new NoSpaceError('no space') : undefined) });
  await store.transact((transaction) => transaction.put('a', bytes('1')));
  isFull = true;
  await t.throwsAsync(store.transact((transaction) => transaction.put('b', bytes('2'))), { name: 'NoSpaceError' });
  t.deepEqual(await store.transact((transaction) => transaction.get('a')), bytes('1'));
  t.is(store.get('b'), undefined);
  isFull = false;
  await store.transact((transaction) => transaction.put('b', bytes('2')));
  t.deepEqual(store.get('b'), bytes('2'));
});

test('beyond its bound the queue refuses at once, and takes calls again when it has drained', async (t) => {
  const { held, commitDelay } = heldCommits();
  const store = openMemoryStore({ commitDelay });
  const first = store.transact((transaction) => transaction.put('a', bytes('1')));
  await turn();
  let ran = 0;
  const waiting = Array.from({ length: maxWaitingTransactions }, () => store.transact(() => ran++));
  await t.throwsAsync(store.transact(() => ran++), { name: 'OverloadedError' });
  held[0]!.resolve();
  await Promise.all([first, ...waiting]);
  t.is(ran, maxWaitingTransactions);
  await t.notThrowsAsync(store.transact(() => ran++));
});
