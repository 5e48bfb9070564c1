import type { Clock } from '../base/clock.js';
import { CallIdReusedError, DfsError, InvalidArgumentError } from '../protocol/errors.js';
import type { Key, KeyValueStore, KeyValueTransaction, TransactionOptions } from '../storage/key-value-store.js';
import { DamagedRecordError } from '../storage/record.js';
import { type Answer, nullAnswer } from './answer.js';
import { applyEdit } from './apply-edit.js';
import type { BlockManagement } from './block-management.js';
import type { Counters } from './counters.js';
import { DirectoryCache } from './directory-cache.js';
import type { EditOp } from './edit-op.js';
import { readableEntries } from './damaged-records.js';
import { decodeEdit, type EditCall } from './edit-record.js';
import { decodeId } from './inode.js';
import { allLeases, callKey, editKey, entryKey, idOf } from './keys.js';
import type { LeaseManager } from './lease-manager.js';
import type { LeaseRecoveries } from './lease-recoveries.js';
import { decodeLease } from './lease-record.js';
import type { AppliedEdit, NamespaceChange } from './namespace-change.js';
import { NamespaceView, TransactionView } from './namespace-view.js';
import type { AnswerOf, NamespaceDefaults, Plan, PlanScope, Requester } from './plan.js';

/** A mutating call as it came. */
export interface MutatingCall {
  readonly method: string;
  readonly params: { readonly callId?: number | undefined };
  readonly requester: Requester;
}

export interface NamespaceParts {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly blocks: BlockManagement;
  readonly leases: LeaseManager;
  readonly recoveries: LeaseRecoveries;
  readonly defaults: NamespaceDefaults;
}

const maxClientIdBytes = 255;
/** What frees space, or ends what was begun with space: done on a disk that is nearly full too. */
const urgentMethods: ReadonlySet<string> = new Set(['fs.delete', 'fs.abandonBlock', 'fs.complete', 'fs.updateBlockForPipeline', 'fs.updatePipeline']);

/**
 * The namespace: runs each mutating call as one durable transaction, planned, applied, logged and answered, and hands what it did to
 * the soft state (blocks, leases) once it is on disk, in the order of the edits.
 */
export class Namespace {
  /** Reads what is durable. */
  readonly view: NamespaceView;
  readonly cache = new DirectoryCache();
  readonly defaults: NamespaceDefaults;
  readonly #store: KeyValueStore;
  readonly #clock: Clock;
  readonly #blocks: BlockManagement;
  readonly #leases: LeaseManager;
  readonly #recoveries: LeaseRecoveries;
  #counters: Readonly<Counters>;

  /** The store must be formatted. */
  constructor(parts: NamespaceParts) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#blocks = parts.blocks;
    this.#leases = parts.leases;
    this.#recoveries = parts.recoveries;
    this.defaults = parts.defaults;
    this.view = new NamespaceView(parts.store);
    this.#counters = this.view.readCounters();
  }

  /**
   * Makes every lease on disk a fresh one, since nobody could be heard of while this process was not there; and goes on with the files that
   * were taken over. `onDamage` is told of records that cannot be read.
   */
  loadLeases(onDamage: (error: DamagedRecordError) => void): void {
    for (const [key, record] of readableEntries(this.#store, allLeases, onDamage)) {
      const { clientId, isTemporary } = decodeLease(record);
      if (clientId === '') this.#recoveries.add(idOf(key));
      else this.#leases.add(idOf(key), clientId, isTemporary);
    }
  }

  /** Of the last edit that is on disk. From memory: they are known though their record may be damaged by now. */
  get counters(): Readonly<Counters> {
    return this.#counters;
  }

  /** The last edit that is on disk. */
  get lastEditId(): number {
    return this.#counters.lastEditId;
  }

  /**
   * Answers `call`: by its stored answer if it was answered before (CallIdReusedError if that was another call), else by what `plan`
   * decides. Resolves, and rejects with a refusal, only when all that the answer rests on is durable.
   */
  async mutate<A extends Exclude<Answer, Refusal>>(call: MutatingCall, plan: (scope: PlanScope) => Plan<A> | Plan<Refusal>): Promise<A['value']> {
    const { requester } = call;
    const { callId } = call.params;
    if (callId !== undefined) checkClientId(requester.clientId);
    const digest = callId === undefined ? undefined : digestOf(call);
    const suspended: Key[] = [];
    const answer = await this.#transact(suspended, { mayUseReserve: urgentMethods.has(call.method) }, (transaction) => {
      const view = new TransactionView(transaction);
      if (callId !== undefined) {
        const stored = findAnswer(view, requester.clientId, callId, digest!);
        if (stored) return { answer: stored, applied: undefined, effects: undefined };
      }
      const scope = this.#scope(view, requester);
      const { op, answer, effects } = planOrRefusal(plan, scope, callId !== undefined);
      // What only time can lift is not kept: the call may be tried again under its id.
      const isKept = callId !== undefined && !(answer.kind === 'refusal' && answer.error.isRetriable);
      if (!op && !isKept) return { answer, applied: undefined, effects };
      const editCall: EditCall | undefined = !isKept ? undefined : { clientId: requester.clientId, callId, digest: digest!, answer };
      return { answer, applied: this.#apply(transaction, op ?? { kind: 'answer' }, scope, editCall, suspended), effects };
    });
    if (answer.kind === 'refusal') throw answer.error;
    return answer.value;
  }

  /** An edit of our own accord: undefined if `plan` finds nothing to do, and throws what it throws. Resolves when it is durable, after `effects`. */
  async edit(plan: (view: NamespaceView) => EditOp | undefined, effects?: () => void, options: TransactionOptions = { mayUseReserve: true }): Promise<boolean> {
    const suspended: Key[] = [];
    let isDone = false;
    await this.#transact(suspended, options, (transaction) => {
      const view = new TransactionView(transaction);
      const op = plan(view);
      if (!op) return { answer: nullAnswer, applied: undefined, effects: undefined };
      isDone = true;
      const scope = { view, counters: view.readCounters(), timeMs: this.#clock.nowMs() };
      return { answer: nullAnswer, applied: this.#apply(transaction, op, scope, undefined, suspended), effects };
    });
    return isDone;
  }

  /** For what changes no inode: trimming the log. */
  maintain<T>(work: (transaction: KeyValueTransaction) => T): Promise<T> {
    return this.#store.transact(work, { mayUseReserve: true });
  }

  /** Effects run in the very turn in which the store tells that the edit is durable: so in the order of the edits. */
  #transact(suspended: Key[], options: TransactionOptions, work: (transaction: KeyValueTransaction) => Outcome): Promise<Answer> {
    const resume = () => {
      for (const key of suspended) this.cache.resume(key);
    };
    return this.#store.transact(work, options).then(
      ({ answer, applied, effects }) => {
        resume();
        if (applied) this.#settle(applied);
        effects?.();
        return answer;
      },
      (error: unknown) => {
        resume();
        throw error;
      },
    );
  }

  #apply(
    transaction: KeyValueTransaction,
    op: EditOp,
    scope: { view: TransactionView; counters: Readonly<Counters>; timeMs: number },
    call: EditCall | undefined,
    suspended: Key[],
  ): Applied {
    const { view, counters, timeMs } = scope;
    const editId = counters.lastEditId + 1;
    const listener = (change: NamespaceChange) => {
      const key = directoryKeyOf(change);
      if (key === undefined) return;
      this.cache.suspend(key);
      suspended.push(key);
    };
    return { editId, edit: applyEdit(transaction, { editId, timeMs, call, op }, { listener, view, counters }) };
  }

  #settle({ editId, edit }: Applied): void {
    if (editId > this.#counters.lastEditId) this.#counters = edit.counters;
    for (const inodeId of edit.endedLeaseIds) {
      this.#leases.remove(inodeId);
      this.#recoveries.remove(inodeId);
    }
    for (const inodeId of edit.recoveringIds) this.#recoveries.add(inodeId);
    for (const blockId of edit.removedBlockIds) this.#blocks.remove(blockId);
  }

  #scope(view: TransactionView, requester: Requester): PlanScope & { view: TransactionView } {
    return {
      view,
      cache: this.cache,
      counters: view.readCounters(),
      requester,
      timeMs: this.#clock.nowMs(),
      defaults: this.defaults,
      leases: this.#leases,
      blocks: this.#blocks,
    };
  }
}

type Refusal = AnswerOf<'refusal'>;

interface Applied {
  editId: number;
  edit: AppliedEdit;
}

interface Outcome {
  answer: Answer;
  applied: Applied | undefined;
  effects: (() => void) | undefined;
}

/** A refusal that only time can lift is not kept: the call may be tried again under its id. */
function planOrRefusal(plan: (scope: PlanScope) => Plan, scope: PlanScope, isKept: boolean): Plan {
  try {
    return plan(scope);
  } catch (error) {
    if (!isKept || !(error instanceof DfsError) || error.isRetriable || error instanceof DamagedRecordError) throw error;
    return { op: undefined, answer: { kind: 'refusal', error } };
  }
}

function findAnswer(view: NamespaceView, clientId: string, callId: number, digest: readonly [number, number]): Answer | undefined {
  const found = view.store.get(callKey(clientId, callId));
  if (!found) return undefined;
  const editId = decodeId(found);
  const record = view.store.get(editKey(editId));
  const call = record && decodeEdit(editId, record).call;
  if (!call) return undefined;
  if (call.digest[0] !== digest[0] || call.digest[1] !== digest[1]) {
    throw new CallIdReusedError(`call ${callId} of client ${clientId} was another call before; each call needs an id of its own, and only its retries may repeat it`);
  }
  return call.answer;
}

/** Two hashes of 32 bits of who asks what. Against mistakes, not against forgers: a client can only collide with itself. */
function digestOf({ method, params, requester }: MutatingCall): [number, number] {
  const text = `${requester.caller.user}\n${method}\n${JSON.stringify(params)}`;
  // Two FNV-1a with different primes, over UTF-16 units: no way into native code, no buffer.
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
  }
  return [a >>> 0, (b ^ (b >>> 15)) >>> 0];
}

function checkClientId(clientId: string): void {
  if (clientId !== '' && !clientId.includes('\0') && Buffer.byteLength(clientId) <= maxClientIdBytes) return;
  throw new InvalidArgumentError(`a client id that goes with a call id has 1 to ${maxClientIdBytes} bytes and no NUL`);
}

/** The place in the cache of directories that a change makes wrong. */
function directoryKeyOf(change: NamespaceChange): Key | undefined {
  if (change.kind === 'entry') return change.before?.isDirectory || change.after?.isDirectory ? entryKey(change.directoryId, change.name) : undefined;
  const { before, after } = change;
  if (!before || !after || before.type !== 'directory') return undefined;
  const isSame = before.permission === after.permission && before.owner === after.owner && before.group === after.group;
  return isSame ? undefined : entryKey(before.parentId, before.name);
}
