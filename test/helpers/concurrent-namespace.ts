import type { TestFn } from 'ava';
import fc from 'fast-check';
import { type Random, seededRandom } from '../../source/base/random.js';
import type { ClientProtocol } from '../../source/protocol/client-protocol.js';
import { DfsError } from '../../source/protocol/errors.js';
import type { ParamsOf } from '../../source/protocol/method.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { findLinearization, formatHistory, type HistoryCall, type SequentialModel } from './linearizability.js';
import { NamespaceHarness } from './namespace-harness.js';
import { type NamespaceStep, NamespaceModel } from './namespace-model.js';

type Call = { [M in keyof ClientProtocol & string]: { method: M; params: ParamsOf<ClientProtocol, M> } }[keyof ClientProtocol & string];
/** One RPC each: such calls are atomic. */
export type AtomicStep =
  | Exclude<NamespaceStep, { kind: 'write' | 'reclaim' | 'restart' }> & { kind: 'mkdirs' | 'rename' | 'delete' | 'setPermission' | 'setReplication' }
  | { kind: 'stat'; path: string }
  | { kind: 'list'; path: string };

export interface ConcurrentStoreFactory {
  /** `delay` is how long a commit takes, where the store can be told. */
  open(delay: () => Promise<void>): Promise<KeyValueStore>;
  close(store: KeyValueStore): Promise<void>;
  /** What is left after the process died, in the middle of a commit perhaps; undefined where a test cannot do that to the store. */
  crash?(store: KeyValueStore, delay: () => Promise<void>, random: Random): KeyValueStore;
}

const paths = ['/a', '/b', '/a/a', '/a/b', '/b/a'];
const path = fc.constantFrom(...paths);
const step: fc.Arbitrary<AtomicStep> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('mkdirs' as const), path, createParents: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('rename' as const), source: path, target: path, overwrite: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), path, recursive: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('setPermission' as const), path, permission: fc.constantFrom(0o700, 0o711, 0o744) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stat' as const), path }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('list' as const), path: fc.constantFrom('/', ...paths) }) },
);
const clients = fc.array(fc.array(step, { minLength: 1, maxLength: 7 }), { minLength: 2, maxLength: 4 });

/**
 * Several clients at once, whose calls and answers are lost here and there, a name node that dies between them, and clients that try
 * again or give up: each history must be one that a namespace with one caller at a time could have had (P3, P5, P11).
 */
export function testConcurrentNamespaceOn(test: TestFn, factory: ConcurrentStoreFactory, runs: number): void {
  test.serial('every concurrent history is linearizable, with lost answers, retries and restarts (faults 2, 3, 31, 32, 50)', async (t) => {
    const seen = { overlapping: 0, unknown: 0, retried: 0, crashes: 0, changed: 0 };
    await fc.assert(
      fc.asyncProperty(clients, fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (scripts, seed) => {
        const history = await new ConcurrentRun(factory, seededRandom(seed), seen).run(scripts);
        if (!findLinearization(history, namespaceModel)) throw new Error(`not linearizable:\n${formatHistory(history)}`);
        countOverlaps(history, seen);
      }),
      { numRuns: runs, includeErrorInReport: true },
    );
    t.true(seen.overlapping > runs / 2, 'calls did overlap');
    t.true(seen.changed > runs / 2, 'calls did change something');
    t.true(seen.unknown > 0 && seen.retried > 0, 'answers were lost, and calls made again');
    if (factory.crash) t.true(seen.crashes > 0, 'the name node died');
  });
}

function countOverlaps(history: readonly HistoryCall<AtomicStep>[], seen: { overlapping: number; changed: number }): void {
  if (history.some((a) => history.some((b) => a !== b && a.invokedAt < b.invokedAt && b.invokedAt < a.returnedAt))) seen.overlapping++;
  if (history.some(({ step, answer }) => (step.kind === 'mkdirs' && answer === true) || (step.kind === 'rename' && answer === null))) seen.changed++;
}

class ConcurrentRun {
  readonly #factory: ConcurrentStoreFactory;
  readonly #random: Random;
  readonly #seen: { unknown: number; retried: number; crashes: number };
  readonly #history: HistoryCall<AtomicStep>[] = [];
  #harness!: NamespaceHarness;
  #now = 0;
  #lastCallId = 0;
  #announceCrash = (): void => {};
  #crashed!: Promise<'crashed'>;

  constructor(factory: ConcurrentStoreFactory, random: Random, seen: { unknown: number; retried: number; crashes: number }) {
    this.#factory = factory;
    this.#random = random;
    this.#seen = seen;
  }

  async run(scripts: readonly (readonly AtomicStep[])[]): Promise<HistoryCall<AtomicStep>[]> {
    const delay = () => this.#turns(6);
    this.#harness = await NamespaceHarness.open({ store: await this.#factory.open(delay) });
    this.#watchForCrash();
    let isOver = false;
    const killer = async () => {
      while (!isOver && this.#factory.crash) {
        await this.#turns(60);
        if (isOver || !this.#chance(0.3)) continue;
        this.#seen.crashes++;
        const store = this.#factory.crash(this.#harness.store, delay, this.#random);
        this.#harness = await NamespaceHarness.open({ store, clock: this.#harness.clock });
        const announce = this.#announceCrash;
        this.#watchForCrash();
        announce();
      }
    };
    const killing = killer();
    try {
      await Promise.all(scripts.map((script, client) => this.#runClient(client, script)));
    } finally {
      isOver = true;
      await killing;
      await this.#factory.close(this.#harness.store);
    }
    return this.#history;
  }

  async #runClient(client: number, script: readonly AtomicStep[]): Promise<void> {
    for (const step of script) {
      await this.#turns(4);
      const call: HistoryCall<AtomicStep> = { client, step, invokedAt: ++this.#now, returnedAt: Infinity, answer: undefined };
      this.#history.push(call);
      const callId = ++this.#lastCallId;
      for (;;) {
        const outcome = await Promise.race([this.#perform(client, step, callId), this.#crashed]);
        const isHeard = outcome !== 'crashed' && !this.#chance(0.1);
        if (isHeard) {
          call.answer = outcome.answer;
          call.returnedAt = ++this.#now;
          break;
        }
        this.#seen.unknown++;
        if (this.#chance(0.4)) break;
        this.#seen.retried++;
        await this.#turns(4);
      }
    }
  }

  async #perform(client: number, step: AtomicStep, callId: number): Promise<{ answer: unknown }> {
    const { method, params } = rpcOf(step, callId);
    try {
      const result = await this.#harness.as('hdfs', `client-${client}`)(method as 'fs.getFileInfo', params as ParamsOf<ClientProtocol, 'fs.getFileInfo'>);
      return { answer: answerOf(step, result) };
    } catch (error) {
      if (error instanceof DfsError) return { answer: error.name };
      throw error;
    }
  }

  #watchForCrash(): void {
    this.#crashed = new Promise((resolve) => (this.#announceCrash = () => resolve('crashed')));
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** Lets others go on, at most so often. */
  async #turns(most: number): Promise<void> {
    for (let left = this.#random.integer(most + 1); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
  }
}

function rpcOf(step: AtomicStep, callId: number): Call {
  switch (step.kind) {
    case 'mkdirs':
      return { method: 'fs.mkdirs', params: { path: step.path, permission: 0o755, createParents: step.createParents, callId } };
    case 'rename':
      return { method: 'fs.rename', params: { source: step.source, target: step.target, overwrite: step.overwrite, callId } };
    case 'delete':
      return { method: 'fs.delete', params: { path: step.path, recursive: step.recursive, callId } };
    case 'setPermission':
      return { method: 'fs.setPermission', params: { path: step.path, permission: step.permission, callId } };
    case 'setReplication':
      return { method: 'fs.setReplication', params: { path: step.path, replication: step.replication, callId } };
    case 'stat':
      return { method: 'fs.getFileInfo', params: { path: step.path } };
    case 'list':
      return { method: 'fs.getListing', params: { path: step.path } };
  }
}

function answerOf(step: AtomicStep, result: unknown): unknown {
  if (step.kind === 'stat') return result === null ? null : (result as { permission: number }).permission;
  if (step.kind === 'list') return (result as { entries: [string][] }).entries.map(([name]) => name).join(' ');
  return result;
}

const namespaceModel: SequentialModel<NamespaceModel, AtomicStep> = {
  initial: new NamespaceModel(),
  apply: (state, step) => {
    const next = copyOf(state);
    return { answer: applyTo(next, step), state: next };
  },
  digest: ({ nodes }) => [...nodes].map(([at, { permission }]) => `${at} ${permission}`).sort().join('\n'),
};

function applyTo(model: NamespaceModel, step: AtomicStep): unknown {
  if (step.kind === 'stat') return model.nodes.get(step.path)?.permission ?? null;
  if (step.kind !== 'list') return model.apply(step);
  if (!model.nodes.has(step.path)) return 'FileNotFoundError';
  const prefix = step.path === '/' ? '/' : `${step.path}/`;
  const below = [...model.nodes.keys()].filter((at) => at !== '/' && at.startsWith(prefix) && !at.slice(prefix.length).includes('/'));
  return below.map((at) => at.slice(prefix.length)).sort().join(' ');
}

function copyOf(model: NamespaceModel): NamespaceModel {
  const copy = new NamespaceModel();
  copy.nodes.clear();
  for (const [at, node] of model.nodes) copy.nodes.set(at, { ...node });
  return copy;
}
