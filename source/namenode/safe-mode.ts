import type { Clock } from '../base/clock.js';
import { OverloadedError, SafeModeError } from '../protocol/errors.js';
import type { EventSink } from './feed.js';

export interface SafeModeOptions {
  clock: Clock;
  events: EventSink;
  /** How long a call waits for the end of the start before it is told to ask again: shorter than clients wait for an answer. */
  waitLimitMs?: number;
  /** The part of all complete blocks that must be reported: 1. */
  threshold?: number | undefined;
  /** Data nodes that must be live: 0. */
  minDatanodes?: number | undefined;
  /** How long it goes on after both are reached: 0. */
  extensionMs?: number | undefined;
}

/** Where the start stands. */
export interface StartProgress {
  isLoaded: boolean;
  /** Complete blocks with at least one good replica reported. */
  reportedBlocks: number;
  totalBlocks: number;
  liveNodes: number;
  knownNodes: number;
  /** Of reported replicas whose generation stamps were never given out here: this name space is older than they are. */
  futureBytes?: number | undefined;
}

const maxWaiters = 10_000;
const defaultWaitLimitMs = 5000;

/**
 * No change of the namespace, no copy and no deletion of replicas while it is on (Hadoop: BlockManagerSafeMode).
 *
 *   starting --enough blocks reported, enough nodes live-----> off <--leave, forceExit-- manual
 *       '-------------------leave, forceExit------------------^ '---------enter--------->'
 *
 *   any of them --damage--> damaged, from which nothing but a restart on a store that is whole leads
 *
 * Enough is every complete block, and no extension, unless configured otherwise. Replicas of a later time than the name space (it was
 * restored from an old backup) hold the start, for they would be taken for strange, and deleted: only forceExit leaves then. A call that would change something waits a while for the end of `starting`, and is then told to ask again (HDFS: a
 * RetriableException); in `manual` and `damaged` it is refused at once.
 */
export class SafeMode {
  readonly #options: SafeModeOptions;
  #state: 'starting' | 'manual' | 'damaged' | 'off' = 'starting';
  #damage = '';
  #progress: StartProgress = { isLoaded: false, reportedBlocks: 0, totalBlocks: 0, liveNodes: 0, knownNodes: 0 };
  /** Both thresholds are reached since then; undefined: not now. */
  #reachedMs: number | undefined;
  readonly #waiters = new Set<(isRefused: boolean) => void>();

  constructor(options: SafeModeOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#state !== 'off';
  }

  get isStarting(): boolean {
    return this.#state === 'starting';
  }

  /** Why, for a person; '' while it is off. */
  get reason(): string {
    if (this.#state === 'off') return '';
    if (this.#state === 'damaged') return `The store of the name node is damaged: ${this.#damage}.`;
    if (this.#state === 'manual') return 'It was turned on manually. Use "safemode leave" to turn safe mode off.';
    const { isLoaded, totalBlocks } = this.#progress;
    if (!isLoaded) return `The blocks are being loaded, ${totalBlocks} so far.`;
    if (this.#futureBytes > 0) return `${this.#thresholdText()} Name node detected blocks with generation stamps in future. ${this.#futureText()}`;
    if (this.#reachedMs === undefined) return `${this.#thresholdText()} Safe mode will be turned off automatically once the thresholds have been reached.`;
    const seconds = Math.max(0, Math.ceil((this.#reachedMs + this.#extensionMs - this.#options.clock.monotonicMs()) / 1000));
    return `${this.#thresholdText()} In safe mode extension. Safe mode will be turned off automatically in ${seconds} seconds.`;
  }

  /** In HDFS's words: BlockManagerSafeMode.getSafeModeTip. */
  #thresholdText(): string {
    const { reportedBlocks, totalBlocks, liveNodes, knownNodes } = this.#progress;
    const { threshold = 1, minDatanodes = 0 } = this.#options;
    const ofTotal = `the threshold ${threshold.toFixed(4)} of total blocks ${totalBlocks}.`;
    const lacking = this.#neededBlocks - reportedBlocks;
    const blocks = lacking > 0 ? `The reported blocks ${reportedBlocks} needs additional ${lacking} blocks to reach ${ofTotal}` : `The reported blocks ${reportedBlocks} has reached ${ofTotal}`;
    if (minDatanodes === 0) return `${blocks} The number of live datanodes is ${liveNodes} of ${knownNodes}.`;
    if (liveNodes >= minDatanodes) return `${blocks} The number of live datanodes ${liveNodes} has reached the minimum number ${minDatanodes}.`;
    return `${blocks} The number of live datanodes ${liveNodes} needs an additional ${minDatanodes - liveNodes} live datanodes to reach the minimum number ${minDatanodes}.`;
  }

  #futureText(): string {
    return `Refusing to leave safe mode without a force flag. Exiting safe mode will cause a deletion of ${this.#futureBytes} byte(s). Please use -forceExit flag to exit safe mode forcefully if data loss is acceptable.`;
  }

  get #futureBytes(): number {
    return this.#progress.futureBytes ?? 0;
  }

  get #neededBlocks(): number {
    return Math.floor(this.#progress.totalBlocks * (this.#options.threshold ?? 1));
  }

  get #extensionMs(): number {
    return this.#options.extensionMs ?? 0;
  }

  /** Takes note of how far the start is, and ends it when it is done. */
  advance(progress: StartProgress): void {
    this.#progress = progress;
    if (this.#state !== 'starting' || !progress.isLoaded) return;
    const isReached = progress.reportedBlocks >= this.#neededBlocks && progress.liveNodes >= (this.#options.minDatanodes ?? 0) && this.#futureBytes === 0;
    const nowMs = this.#options.clock.monotonicMs();
    this.#reachedMs = isReached ? (this.#reachedMs ?? nowMs) : undefined;
    if (this.#reachedMs !== undefined && nowMs - this.#reachedMs >= this.#extensionMs) this.#turnOff();
  }

  /**
   * To be asked before every change; `what` begins the message as in HDFS: `Cannot create directory /t`. Undefined: go on. A promise: go
   * on when it resolves. SafeModeError, and OverloadedError for what may be asked again, thrown or rejected: `Cannot create directory /t.
   * Name node is in safe mode.`
   */
  allow(what: string): Promise<void> | undefined {
    if (this.#state === 'off') return undefined;
    if (this.#state === 'manual' || this.#state === 'damaged') throw this.#refusal(what);
    if (this.#waiters.size >= maxWaiters) throw new OverloadedError(`${what}: too many calls wait for the end of safe mode already; try again later`);
    return new Promise((resolve, reject) => {
      const settle = (isRefused: boolean) => {
        timer.cancel();
        this.#waiters.delete(settle);
        if (isRefused) reject(this.#refusal(what));
        else resolve();
      };
      const timer = this.#options.clock.setTimer(
        () => {
          this.#waiters.delete(settle);
          reject(new OverloadedError(`${what}. Name node is in safe mode.`, { details: [this.reason] }));
        },
        this.#options.waitLimitMs ?? defaultWaitLimitMs,
        { background: true },
      );
      this.#waiters.add(settle);
    });
  }

  /** What is damaged is served no more, and nothing is built on it: reading goes on (promises.md, fault 14). `reason` names the record. */
  enterDamaged(reason: string): void {
    if (this.#state === 'damaged') return;
    this.#state = 'damaged';
    this.#damage = reason;
    this.#options.events.publish({ kind: 'safe-mode', level: 'error', message: `Safe mode is ON, and stays on: ${reason}` });
    for (const settle of [...this.#waiters]) settle(true);
  }

  enter(): void {
    if (this.#state === 'manual' || this.#state === 'damaged') return;
    this.#state = 'manual';
    this.#options.events.publish({ kind: 'safe-mode', level: 'warn', message: 'Safe mode is ON: it was turned on manually' });
    for (const settle of [...this.#waiters]) settle(true);
  }

  /** Harmless when it is off; leaves though blocks are missing, but not when that would delete some. The blocks must be loaded: what the name node does not know yet it would take for strange. */
  leave(): void {
    if (this.#state !== 'off' && this.#state !== 'damaged' && this.#futureBytes > 0) throw new SafeModeError(this.#futureText());
    this.forceExit();
  }

  /** Leaves whatever is missing, and whatever is strange. */
  forceExit(): void {
    if (this.#state === 'off') return;
    if (this.#state === 'damaged') throw new SafeModeError(`Safe mode cannot be left. ${this.reason}`);
    if (!this.#progress.isLoaded) throw new SafeModeError(`Safe mode cannot be left yet. ${this.reason}`);
    this.#turnOff();
  }

  #turnOff(): void {
    this.#state = 'off';
    this.#options.events.publish({ kind: 'safe-mode', level: 'info', message: 'Safe mode is OFF' });
    for (const settle of [...this.#waiters]) settle(false);
  }

  #refusal(what: string): SafeModeError {
    return new SafeModeError(`${what}. Name node is in safe mode.`, { details: [this.reason] });
  }
}
type SafeModeError = InstanceType<typeof SafeModeError>;
