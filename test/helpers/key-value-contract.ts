import type { ExecutionContext, TestFn } from 'ava';
import fc from 'fast-check';
import { encodeNumber, prefixRange, wholeRange } from '../../source/storage/key-encoding.js';
import type { Entry, Key, KeyValueReader, KeyValueTransaction, SnapshotStore } from '../../source/storage/key-value-store.js';

/** A store under test: opened empty; `reopen` closes it and opens what it left. */
export interface StoreUnderTest {
  store: SnapshotStore;
  reopen(): Promise<SnapshotStore>;
  dispose(): Promise<void>;
}

const bytes = (text: string) => Buffer.from(text);
const texts = (entries: Iterable<Entry>) => [...entries].map(([key, value]) => [key, Buffer.from(value).toString()] as const);
const everything = (reader: KeyValueReader) => texts(reader.range(wholeRange));

/** What KeyValueStore promises, for any implementation of it. */
export function testKeyValueStore(test: TestFn, openStore: () => Promise<StoreUnderTest>): void {
  const withStore = (title: string, body: (t: ExecutionContext, subject: StoreUnderTest) => Promise<void>) => {
    test(title, async (t) => {
      const subject = await openStore();
      try {
        await body(t, subject);
      } finally {
        await subject.dispose();
      }
    });
  };

  withStore('what a transaction puts is there afterwards, and after a reopen', async (t, subject) => {
    const result = await subject.store.transact((transaction) => {
      transaction.put('k', bytes('value'));
      transaction.put('empty', new Uint8Array());
      return 'answer';
    });
    t.is(result, 'answer');
    t.deepEqual(everything(subject.store), [['empty', ''], ['k', 'value']]);
    t.is(subject.store.get('absent'), undefined);
    const reopened = await subject.reopen();
    t.deepEqual(everything(reopened), [['empty', ''], ['k', 'value']]);
  });

  withStore('a snapshot stays what it was, across later commits, until it is closed', async (t, { store }) => {
    const fill = (from: number, to: number, value: string) =>
      store.transact((transaction) => {
        for (let i = from; i < to; i++) transaction.put('k' + encodeNumber(i), bytes(value));
      });
    await fill(0, 500, 'first');
    const before = everything(store);
    const snapshot = store.snapshot();
    const seen: (readonly [string, string])[] = [];
    for (const [key, value] of snapshot.range(wholeRange)) {
      seen.push([key, Buffer.from(value).toString()]);
      if (seen.length % 50 !== 0) continue;
      await fill(0, 1000, `later ${seen.length}`);
      await store.transact((transaction) => transaction.delete('k' + encodeNumber(seen.length + 5)));
    }
    t.deepEqual(seen, before);
    t.is(Buffer.from(snapshot.get('k' + encodeNumber(7))!).toString(), 'first');
    snapshot.close();
    snapshot.close();
    t.is(Buffer.from(store.get('k' + encodeNumber(7))!).toString(), 'later 500');
  });

  withStore('a transaction that throws rejects with what it threw and changes nothing', async (t, subject) => {
    await subject.store.transact((transaction) => transaction.put('kept', bytes('1')));
    const thrown = new Error('refused');
    const refused = subject.store.transact((transaction) => {
      transaction.put('kept', bytes('2'));
      transaction.put('new', bytes('3'));
      transaction.delete('kept');
      throw thrown;
    });
    t.is(await t.throwsAsync(refused), thrown);
    t.deepEqual(everything(subject.store), [['kept', '1']]);
    t.deepEqual(everything(await subject.reopen()), [['kept', '1']]);
  });

  withStore('a transaction sees its own changes and those of earlier calls, in gets and in ranges both ways', async (t, { store }) => {
    const seen: unknown[] = [];
    const calls = [
      store.transact((transaction) => {
        transaction.put('b', bytes('first'));
        transaction.put('d', bytes('first'));
      }),
      store.transact((transaction) => {
        transaction.put('a', bytes('dropped'));
        throw new Error('refused');
      }),
      store.transact((transaction) => {
        transaction.delete('d');
        transaction.put('c', bytes('own'));
        transaction.put('b', bytes('own'));
        seen.push(texts(transaction.range(wholeRange)), texts(transaction.range({ ...wholeRange, isReverse: true })), transaction.get('d'), transaction.get('a'));
      }),
    ];
    await Promise.allSettled(calls);
    t.deepEqual(seen, [[['b', 'own'], ['c', 'own']], [['c', 'own'], ['b', 'own']], undefined, undefined]);
    t.deepEqual(everything(store), [['b', 'own'], ['c', 'own']]);
  });

  withStore('work runs after transact has returned, and calls settle in their order, the refused too', async (t, { store }) => {
    const order: string[] = [];
    const call = (name: string, isRefused = false) =>
      store
        .transact((transaction) => {
          order.push(`run ${name}`);
          transaction.put(name, bytes(name));
          if (isRefused) throw new Error(name);
        })
        .then(() => order.push(`done ${name}`), () => order.push(`refused ${name}`));
    const calls = [call('a'), call('b', true), call('c')];
    t.deepEqual(order, []);
    t.is(store.get('a'), undefined);
    await Promise.all(calls);
    t.deepEqual(order, ['run a', 'run b', 'run c', 'done a', 'refused b', 'done c']);
  });

  withStore('ranges give keys in the order of their bytes, within bounds, up to the limit, from either end', async (t, { store }) => {
    const keys = ['a', 'a\x00', 'a\x00\xff', 'a\x01', 'a\x7f', 'a\x80', 'a\xff', 'a\xff\xff', 'b', 'n' + encodeNumber(255), 'n' + encodeNumber(256)];
    await store.transact((transaction) => {
      for (const key of keys.toReversed()) transaction.put(key, bytes(key.length.toString()));
    });
    const found = (reader: KeyValueReader, options: Parameters<KeyValueReader['range']>[0]) => [...reader.range(options)].map(([key]) => key);
    const check = (reader: KeyValueReader) => {
      t.deepEqual(found(reader, wholeRange), keys);
      t.deepEqual(found(reader, { ...wholeRange, isReverse: true }), keys.toReversed());
      t.deepEqual(found(reader, prefixRange('a\xff')), ['a\xff', 'a\xff\xff']);
      t.deepEqual(found(reader, { start: 'a\x01', end: 'a\xff' }), ['a\x01', 'a\x7f', 'a\x80']);
      t.deepEqual(found(reader, { start: 'a\x01', end: 'a\xff', isReverse: true, limit: 2 }), ['a\x80', 'a\x7f']);
      t.deepEqual(found(reader, { start: 'a\x02', end: 'a\x90', isReverse: true }), ['a\x80', 'a\x7f']);
      t.deepEqual(found(reader, { start: 'b', end: 'b' }), []);
      t.deepEqual(found(reader, { start: 'c', end: 'b', isReverse: true }), []);
      t.deepEqual(found(reader, { ...wholeRange, limit: 0 }), []);
      t.deepEqual(found(reader, { start: '', end: 'a\x01' }), ['a', 'a\x00', 'a\x00\xff']);
    };
    check(store);
    await store.transact((transaction) => {
      check(transaction);
      transaction.delete('a\x00\xff');
      transaction.put('a\x00\xff', bytes('3'));
      check(transaction);
    });
  });

  withStore('deleting an absent key succeeds', async (t, { store }) => {
    await store.transact((transaction) => transaction.delete('nothing'));
    t.deepEqual(everything(store), []);
  });

  withStore('keys of 1,900 bytes and values of a megabyte are kept whole; longer, empty, reserved and wide keys, and values that are no bytes, are refused alone', async (t, { store }) => {
    const key = 'k' + '\xff'.repeat(1899);
    const value = Buffer.alloc(1 << 20, 'abc');
    const calls = [store.transact((transaction) => transaction.put(key, value))];
    for (const bad of ['k'.repeat(1901), '', '\0own', '\xffown', 'wide \u0100']) {
      calls.push(store.transact((transaction) => {
        transaction.put('half', bytes('done'));
        transaction.put(bad, value);
      }));
    }
    calls.push(store.transact((transaction) => {
      transaction.put('half', bytes('done'));
      transaction.put('no bytes', 'text' as never);
    }));
    const results = await Promise.allSettled(calls);
    t.deepEqual(results.map(({ status }) => status), ['fulfilled', ...Array<string>(6).fill('rejected')]);
    t.true(Buffer.from(store.get(key)!).equals(value));
    t.true(Buffer.from([...store.range(wholeRange)][0]![1]).equals(value));
    t.is(store.get('half'), undefined);
  });

  withStore('a value that was read stays as it was when later reads and writes follow', async (t, { store }) => {
    await store.transact((transaction) => {
      transaction.put('a', bytes('first'));
      transaction.put('b', bytes('other'));
    });
    const first = store.get('a')!;
    const [ranged] = [...store.range(wholeRange)];
    store.get('b');
    await store.transact((transaction) => transaction.put('a', bytes('second')));
    store.get('a');
    t.is(Buffer.from(first).toString(), 'first');
    t.is(Buffer.from(ranged![1]).toString(), 'first');
  });

  withStore('a range may be left early, and another begun inside it', async (t, { store }) => {
    await store.transact((transaction) => {
      for (let i = 0; i < 100; i++) transaction.put('k' + encodeNumber(i), bytes(`${i}`));
    });
    const scan = (reader: KeyValueReader) => {
      const pairs: string[] = [];
      for (const [, outer] of reader.range(wholeRange)) {
        for (const [, inner] of reader.range({ ...wholeRange, isReverse: true })) {
          pairs.push(`${Buffer.from(outer)} ${Buffer.from(inner)} ${Buffer.from(reader.get('k' + encodeNumber(7))!)}`);
          break;
        }
        if (pairs.length === 3) break;
      }
      return pairs;
    };
    t.deepEqual(scan(store), ['0 99 7', '1 99 7', '2 99 7']);
    t.deepEqual(await store.transact(scan), ['0 99 7', '1 99 7', '2 99 7']);
  });

  withStore('a transaction kept beyond its work is refused, and so is work that waits', async (t, { store }) => {
    let kept: KeyValueTransaction | undefined;
    await store.transact((transaction) => (kept = transaction));
    t.throws(() => kept!.get('a'), { name: 'AssertionError' });
    t.throws(() => kept!.put('a', bytes('1')), { name: 'AssertionError' });
    await t.throwsAsync(
      store.transact(async (transaction) => transaction.put('a', bytes('1'))),
      { name: 'AssertionError' },
    );
    t.deepEqual(everything(store), []);
  });

  withStore('close waits for what was begun; later calls are refused as unavailable', async (t, subject) => {
    const { store } = subject;
    const begun = [store.transact((transaction) => transaction.put('a', bytes('1'))), store.transact((transaction) => transaction.put('b', bytes('2')))];
    await Promise.all([store.close(), store.close()]);
    await t.notThrowsAsync(Promise.all(begun));
    await t.throwsAsync(store.transact(() => undefined), { name: 'UnavailableError' });
    t.throws(() => store.get('a'), { name: 'UnavailableError' });
    t.throws(() => store.range(wholeRange), { name: 'UnavailableError' });
    t.deepEqual(everything(await subject.reopen()), [['a', '1'], ['b', '2']]);
  });

  withStore('random transactions, some of which throw, answer and leave what a plain sorted map would', async (t, subject) => {
    const keys = fc.constantFrom(...['a', 'a\x00', 'a\xff', 'b', 'b1', 'b2', 'c\x80', 'd', 'e', 'f', 'g\xfe']);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), key: keys, value: fc.string({ maxLength: 8 }) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: keys }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('get' as const), key: keys }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('range' as const), start: keys, end: keys, isReverse: fc.boolean(), limit: fc.option(fc.nat({ max: 5 }), { nil: undefined }) }),
      },
    );
    const transactions = fc.array(fc.record({ steps: fc.array(step, { maxLength: 12 }), throws: fc.boolean() }), { maxLength: 12 });
    let store = subject.store;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(transactions, fc.integer({ min: 0, max: 19 }), async (calls, reopens) => {
        await store.transact((transaction) => {
          for (const [key] of transaction.range(wholeRange)) transaction.delete(key);
        });
        const model = new Map<Key, string>();
        const outcomes: Promise<unknown>[] = [];
        const expected: unknown[] = [];
        for (const { steps, throws } of calls) {
          const own = new Map(model);
          const answers: unknown[] = [];
          for (const each of steps) {
            if (each.kind === 'put') own.set(each.key, each.value);
            else if (each.kind === 'delete') own.delete(each.key);
            else if (each.kind === 'get') answers.push(own.get(each.key));
            else answers.push(modelRange(own, each));
          }
          expected.push(throws ? 'thrown' : answers);
          if (!throws) {
            model.clear();
            for (const [key, value] of own) model.set(key, value);
          }
          const work = (transaction: KeyValueTransaction) => {
            const found: unknown[] = [];
            for (const each of steps) {
              if (each.kind === 'put') transaction.put(each.key, bytes(each.value));
              else if (each.kind === 'delete') transaction.delete(each.key);
              else if (each.kind === 'get') found.push(decoded(transaction.get(each.key)));
              else found.push(texts(transaction.range({ start: each.start, end: each.end, isReverse: each.isReverse, ...(each.limit === undefined ? {} : { limit: each.limit }) })));
            }
            if (throws) throw new Error('thrown');
            return found;
          };
          outcomes.push(store.transact(work).catch((error: Error) => error.message));
        }
        t.deepEqual(await Promise.all(outcomes), expected);
        if (reopens === 0) store = await subject.reopen();
        t.deepEqual(everything(store), modelRange(model, { ...wholeRange, isReverse: false, limit: undefined }));
        runs++;
      }),
      { numRuns: 100 },
    );
    t.is(runs, 100);
  });
}

const decoded = (value: Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value).toString());

function modelRange(model: Map<Key, string>, { start, end, isReverse, limit }: { start: Key; end: Key; isReverse: boolean; limit: number | undefined }) {
  const entries = [...model].map(([key, value]) => [key, bytes(value).toString()] as const).filter(([key]) => key >= start && key < end);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return (isReverse ? entries.reverse() : entries).slice(0, limit ?? Infinity);
}
