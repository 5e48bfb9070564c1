import { isDeepStrictEqual } from 'node:util';
import type { TestFn } from 'ava';
import fc from 'fast-check';
import { applyEdit } from '../../source/namenode/apply-edit.js';
import { decodeEdit } from '../../source/namenode/edit-record.js';
import { allEdits, idOf } from '../../source/namenode/keys.js';
import { MemoryStore } from '../../source/storage/memory-store.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { NamespaceHarness } from './namespace-harness.js';
import { differences, NamespaceModel, namespaceSteps, perform } from './namespace-model.js';

const contentOf = (store: KeyValueStore) => [...store.range({ start: '\x01', end: '\xff' })].map(([key, value]) => [key, Buffer.from(value).toString('hex')]);

export interface StoreFactory {
  open(): Promise<KeyValueStore>;
  /** The same content, as after a restart. */
  reopen(store: KeyValueStore): Promise<KeyValueStore>;
  close(store: KeyValueStore): Promise<void>;
}

/** What holds of the namespace on every store. */
export function testNamespaceOn(test: TestFn, factory: StoreFactory, runs: number): void {
  test.serial('any sequence of calls leaves what a simple model says, answers as it does, and is made again by its edits alone', async (t) => {
    await fc.assert(
      fc.asyncProperty(namespaceSteps, async (steps) => {
        let harness = await NamespaceHarness.open({ store: await factory.open() });
        const model = new NamespaceModel();
        try {
          for (const step of steps) {
            if (step.kind === 'restart') harness = await NamespaceHarness.open({ store: await factory.reopen(harness.store), clock: harness.clock });
            const [answer, expected] = [await perform(harness, step), model.apply(step)];
            if (answer !== expected) throw new Error(`${JSON.stringify(step)} answered ${String(answer)}, not ${String(expected)}`);
          }
          const wrong = await differences(harness, model);
          const copy = new MemoryStore();
          for (const [key, record] of harness.store.range(allEdits)) await copy.transact((transaction) => applyEdit(transaction, decodeEdit(idOf(key), record)));
          if (!isDeepStrictEqual(contentOf(copy), contentOf(harness.store))) wrong.push('the edits alone make another namespace');
          if (wrong.length > 0) throw new Error(wrong.join('\n'));
        } finally {
          await factory.close(harness.store);
        }
      }),
      { numRuns: runs, includeErrorInReport: true },
    );
    t.pass();
  });

  test.serial('calls made at once happen one after the other, in the order of their arrival', async (t) => {
    const harness = await NamespaceHarness.open({ store: await factory.open() });
    const { root } = harness;
    const answers = await Promise.allSettled([
      root('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false }),
      root('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false }),
      root('fs.rename', { source: '/d', target: '/e' }),
      root('fs.mkdirs', { path: '/d/s', permission: 0o755, createParents: false }),
      root('fs.mkdirs', { path: '/e/s', permission: 0o755, createParents: false }),
      root('fs.delete', { path: '/e', recursive: false }),
      root('fs.delete', { path: '/e', recursive: true }),
    ]);
    t.deepEqual(answers.map((answer) => answer.status), ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    t.deepEqual((await root('fs.getListing', { path: '/' })).entries, []);
    await factory.close(harness.store);
  });
}
