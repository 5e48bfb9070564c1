import test from 'ava';
import type { Clock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { RetryingCaller } from '../../../source/client/retrying-caller.js';
import { clientProtocol, type ClientProtocol } from '../../../source/protocol/client-protocol.js';
import type { LocatedBlock } from '../../../source/protocol/block.js';
import { OutcomeUnknownError, StorageDamagedError } from '../../../source/protocol/errors.js';
import type { CallContext, RpcCaller } from '../../../source/protocol/method.js';
import { MemoryStore, type MemoryStoreImage } from '../../../source/storage/memory-store.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';
import { type WrittenBlock, written } from '../../helpers/namespace-harness.js';

/**
 * A client and a name node that dies once, at one moment of one call:
 * before it has reached the store; while its commit is under way, which then is on disk (`committed`) or not (`uncommitted`); after it,
 * with the answer lost; or without a death the call comes twice at once.
 */
const moments = ['before', 'uncommitted', 'committed', 'failed', 'after', 'twice'] as const;
type Moment = (typeof moments)[number] | 'never';

const context: CallContext = { user: 'hdfs', clientId: 'client-1', role: 'client', remoteAddress: '127.0.0.1:5' };
/** Waiting costs nothing. */
const instantClock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  setTimer(callback) {
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  },
};

class World {
  readonly bench = new NameNodeBench();
  /** Of the client's changes, in order. */
  readonly methods: string[] = [];
  readonly #moment: Moment;
  readonly #faultAt: number;
  #commit: { begun: () => void; outcome: Promise<void> } | undefined;
  deaths = 0;

  constructor(moment: Moment, faultAt: number) {
    this.#moment = moment;
    this.#faultAt = faultAt;
  }

  async start(image?: MemoryStoreImage): Promise<void> {
    this.bench.store = new MemoryStore({
      ...(image && { image }),
      commitDelay: () => {
        const commit = this.#commit;
        this.#commit = undefined;
        commit?.begun();
        return commit?.outcome ?? Promise.resolve();
      },
    });
    await this.bench.start();
    await this.bench.join(0);
    await this.bench.join(1);
  }

  /** What the wire would be. */
  readonly caller: RpcCaller<ClientProtocol> = {
    call: async (method, params) => {
      const isFirstTry = (params as { callId?: number }).callId === this.methods.length + 1;
      if (isFirstTry) this.methods.push(method);
      if (isFirstTry && this.methods.length === this.#faultAt) return this.#meetFault(() => this.#handle(method, params));
      return this.#handle(method, params) as never;
    },
    close() {},
  };

  #handle(method: string, params: object): Promise<unknown> {
    const handlers = this.bench.nameNode.clientHandlers as unknown as Record<string, (params: object, context: CallContext) => unknown>;
    return Promise.resolve().then(() => handlers[method]!(params, context));
  }

  async #meetFault(call: () => Promise<unknown>): Promise<never> {
    switch (this.#moment) {
      case 'twice':
        return (await Promise.all([call(), call()]))[1] as never;
      case 'before':
        break;
      case 'after':
        await call().catch(() => {});
        break;
      default: {
        const { promise: outcome, reject } = deferred<void>();
        const { promise: begun, resolve: begin } = deferred<void>();
        this.#commit = { begun: begin, outcome };
        const lost = call();
        const seen = lost.then(() => 'answered', (error: unknown) => error);
        await begun;
        const image = this.bench.store.crashImage(this.#moment === 'committed' ? 'inFlight' : 'durable');
        if (this.#moment === 'failed') {
          reject(new Error('EIO'));
          const error = await seen;
          if (!(error instanceof OutcomeUnknownError)) throw new Error(`a commit that failed was answered with ${String(error)}`);
        }
        await this.#die(image);
        throw new OutcomeUnknownError('the connection was reset');
      }
    }
    await this.#die(this.bench.store.crashImage());
    throw new OutcomeUnknownError('the connection was reset');
  }

  async #die(image: MemoryStoreImage): Promise<void> {
    this.deaths++;
    void this.bench.nameNode.close();
    await this.start(image);
  }

  /** All that is on disk but what tells one life of the name node from another. */
  dump(): string[] {
    return [...this.bench.store.range({ start: '\x01', end: 'n' })].map(([key, value]) => `${Buffer.from(key, 'latin1').toString('hex')} ${Buffer.from(value).toString('hex')}`);
  }
}

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** Every method that changes something, in an order that makes sense; the answers that the client saw. */
async function work(world: World): Promise<unknown[]> {
  const client = new RetryingCaller(world.caller, instantClock, seededRandom(3), { retryTimeoutMs: 60_000, callTimeoutMs: 20_000 });
  const answers: unknown[] = [];
  const ask = async <M extends keyof ClientProtocol & string>(method: M, params: Parameters<typeof client.call<M>>[1]) => {
    const answer = await client.call(method, params).catch((error: Error) => error);
    answers.push(answer instanceof Error ? `${answer.name}: ${answer.message}` : withoutPlaces(answer));
    if (answer instanceof Error && method !== 'fs.rename') throw answer;
    return answer as Exclude<typeof answer, Error>;
  };
  const finish = (located: LocatedBlock, lengthBytes: number): WrittenBlock => {
    const last = written(located, lengthBytes);
    for (const held of world.bench.held) held.push(last.block);
    return last;
  };
  const create = (path: string) => ask('fs.create', { path, permission: 0o644, overwrite: false, createParents: true, withBlock: true });
  await ask('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false });
  const { file, block } = await create('/d/f');
  const { inodeId } = file;
  const second = await ask('fs.addBlock', { inodeId, previous: finish(block!, 1000), blockIndex: 1, excluded: [] });
  await ask('fs.abandonBlock', { inodeId, block: second.block });
  const again = await ask('fs.addBlock', { inodeId, previous: null, blockIndex: 1, excluded: [] });
  const { generationStamp } = await ask('fs.updateBlockForPipeline', { inodeId, block: again.block });
  const rebuilt = { ...again, block: { ...again.block, generationStamp } };
  await ask('fs.updatePipeline', { inodeId, previous: again.block, written: written(rebuilt, 10) });
  await ask('fs.complete', { inodeId, last: finish(rebuilt, 1000), renameTo: { path: '/d/g', overwrite: false } });
  const appended = await ask('fs.append', { path: '/d/g' });
  const third = await ask('fs.addBlock', { inodeId: appended.file.inodeId, previous: null, blockIndex: 2, excluded: [] });
  await ask('fs.complete', { inodeId, last: finish(third, 1000) });
  const other = await create('/d/h');
  await ask('fs.complete', { inodeId: other.file.inodeId, last: finish(other.block!, 1000) });
  await ask('fs.concat', { target: '/d/g', sources: ['/d/h'] });
  await ask('fs.truncate', { path: '/d/g', newLengthBytes: 3000 });
  await ask('fs.recoverLease', { path: '/d/g' });
  await ask('fs.setPermission', { path: '/d/g', permission: 0o600 });
  await ask('fs.setOwner', { path: '/d/g', owner: 'bob' });
  await ask('fs.setTimes', { path: '/d/g', modificationTimeMs: 5 });
  await ask('fs.setReplication', { path: '/d/g', replication: 1 });
  await ask('fs.rename', { source: '/d/g', target: '/d/i' });
  await ask('fs.rename', { source: '/none', target: '/x' });
  await ask('fs.delete', { path: '/d/none', recursive: false });
  await ask('cluster.setNodeState', { node: 'dn1', state: 'in-maintenance' });
  await ask('cluster.setNodeState', { node: 'dn1', state: 'normal' });
  await ask('fs.delete', { path: '/d/i', recursive: false });
  return answers;
}

/** Where blocks go, and how nodes are, is another life's own. */
function withoutPlaces(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer, (key, value: unknown) => (['locations', 'token'].includes(key) || key.startsWith('admin') || /(?:Ms|PerSecond)$/.test(key) ? undefined : value)));
}

async function run(moment: Moment, faultAt: number) {
  const world = new World(moment, faultAt);
  await world.start();
  const answers = await work(world);
  await world.bench.nameNode.close();
  return { answers, methods: world.methods, deaths: world.deaths, dump: world.dump() };
}

const undisturbed = await run('never', 0);

test('the work of this test makes every call that changes something', (t) => {
  const withCallId = Object.entries(clientProtocol).filter(([, { params }]) => 'callId' in params.properties).map(([method]) => method);
  t.deepEqual([...new Set(undisturbed.methods)].sort(), withCallId.sort());
});

const results = {
  before: 'a name node killed before it has seen a call: the client gets its answer from the next one, and it happened once (faults 2, 33)',
  uncommitted: 'a name node killed in a commit that did not reach the disk: nothing of it is there, and the retry does it once (fault 2)',
  committed: 'a name node killed in a commit that reached the disk, unanswered: the retry gets the stored answer (faults 2, 3)',
  failed: 'a commit that fails is never acknowledged and never called a failure: the retry does it once (faults 2, 21)',
  after: 'an answer that is lost with the name node: the retry gets the stored one (faults 3, 33)',
  twice: 'a call that arrives twice at once happens once, and both get one answer (fault 31)',
} as const;

for (const moment of moments) {
  test(results[moment], async (t) => {
    for (let faultAt = 1; faultAt <= undisturbed.methods.length; faultAt++) {
      const { answers, deaths, dump } = await run(moment, faultAt);
      const which = `${undisturbed.methods[faultAt - 1]}, call ${faultAt}`;
      t.is(deaths, moment === 'twice' ? 0 : 1, which);
      t.deepEqual(answers, undisturbed.answers, which);
      t.deepEqual(dump.length, undisturbed.dump.length, which);
    }
  });
}

test('a failed commit ends the name node with its reason', async (t) => {
  const bench = new NameNodeBench();
  bench.store = new MemoryStore({ commitDelay: () => (isBroken ? Promise.reject(new Error('EIO: i/o error, fsync')) : Promise.resolve()) });
  let isBroken = false;
  await bench.start();
  isBroken = true;
  await t.throwsAsync(bench.root('fs.mkdirs', { path: '/a', permission: 0o755, createParents: false }), { instanceOf: OutcomeUnknownError, message: /EIO/ });
  const failure = await bench.nameNode.failed;
  t.true(failure instanceof StorageDamagedError);
  t.regex(failure.message, /a commit of the memory store failed \(EIO: .*\); nothing more is written: check the disk, then start again/);
  await t.throwsAsync(bench.root('fs.mkdirs', { path: '/b', permission: 0o755, createParents: false }), { instanceOf: OutcomeUnknownError });
  t.is(await bench.root('fs.getFileInfo', { path: '/a' }), null);
  await bench.nameNode.close();
});
