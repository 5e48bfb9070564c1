import type { Clock } from '../base/clock.js';
import { OverloadedError, SafeModeError } from '../protocol/errors.js';
import type { EventSink } from './feed.js';

export interface SafeModeOptions {
  clock: Clock;
  events: EventSink;
  /** How long a call waits for the end of the start before it is told to ask again: shorter than clients wait for an answer. */
  waitLimitMs?: number;
}

/** Where the start stands. */
export interface StartProgress {
  isLoaded: boolean;
  /** Complete blocks with at least one good replica reported. */
  reportedBlocks: number;
  totalBlocks: number;
  liveNodes: number;
  knownNodes: number;
}

const maxWaiters = 10_000;
const defaultWaitLimitMs = 5000;

/**
 * No change of the namespace, no copy and no deletion of replicas while it is on (Hadoop: BlockManagerSafeMode).
 *
 *   starting --every complete block has a reported replica--> off <--leave, forceExit-- manual
 *       '-------------------leave, forceExit------------------^ '---------enter--------->'
 *
 *   any of them --damage--> damaged, from which nothing but a restart on a store that is whole leads
 *
 * There is no extension. A call that would change something waits a while for the end of `starting`, and is then told to ask again (HDFS: a
 * RetriableException); in `manual` and `damaged` it is refused at once.
 */
export class SafeMode {
  readonly #options: SafeModeOptions;
  #state: 'starting' | 'manual' | 'damaged' | 'off' = 'starting';
  #damage = '';
  #progress: StartProgress = { isLoaded: false, reportedBlocks: 0, totalBlocks: 0, liveNodes: 0, knownNodes: 0 };
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
    const { isLoaded, reportedBlocks, totalBlocks, liveNodes, knownNodes } = this.#progress;
    if (!isLoaded) return `The blocks are being loaded, ${totalBlocks} so far.`;
    return `The reported blocks ${reportedBlocks} needs additional ${totalBlocks - reportedBlocks} blocks to reach the total blocks ${totalBlocks}. The number of live datanodes is ${liveNodes} of ${knownNodes}. Safe mode will be turned off automatically once every block has been reported.`;
  }

  /** Takes note of how far the start is, and ends it when it is done. */
  advance(progress: StartProgress): void {
    this.#progress = progress;
    if (this.#state === 'starting' && progress.isLoaded && progress.reportedBlocks >= progress.totalBlocks) this.#turnOff();
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

  /** Harmless when it is off. The blocks must be loaded: what the name node does not know yet it would take for strange. */
  leave(): void {
    if (this.#state === 'off') return;
    if (this.#state === 'damaged') throw new SafeModeError(`Safe mode cannot be left. ${this.reason}`);
    if (!this.#progress.isLoaded) throw new SafeModeError(`Safe mode cannot be left yet. ${this.reason}`);
    this.#turnOff();
  }

  /** Leaves whatever is missing. */
  forceExit(): void {
    this.leave();
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
