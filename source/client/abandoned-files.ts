import { type Clock, repeat } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { DfsError, SafeModeError } from '../protocol/errors.js';
import { messageOf } from './pipeline.js';
import type { RetryingCaller } from './retrying-caller.js';

/** What deleting a file that was given up may take its writer; after that it is tried again in the background. */
export const cleanUpLimitMs = 5000;
const retryIntervalMs = 5000;
/** Remembered at a time; the oldest is forgotten for one more. The name node deletes those when the client's lease ends. */
const maxRemembered = 1000;

type Outcome = 'deleted' | 'closed';

/**
 * Deletes what was written of files that were given up. As long as the client writes other files it renews the lease of those too, so
 * that the name node would keep them: a deletion that could not reach the name node is tried again while the client lives.
 */
export class AbandonedFiles {
  readonly #nameNode: RetryingCaller;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By inode id, in the order in which they were given up. */
  readonly #remembered = new Map<number, { path: string; outcome: Outcome }>();
  #stop: (() => void) | undefined;
  #isClosed = false;

  constructor(nameNode: RetryingCaller, clock: Clock, log: Logger) {
    this.#nameNode = nameNode;
    this.#clock = clock;
    this.#log = log;
  }

  /** Deletes the file, now or later. Never rejects. */
  delete(path: string, inodeId: number): Promise<void> {
    return this.#giveUp(path, inodeId, 'deleted');
  }

  /** Has a file closed that was opened for append, with what was flushed, or more: now or later. Never rejects. */
  recover(path: string, inodeId: number): Promise<void> {
    return this.#giveUp(path, inodeId, 'closed');
  }

  async #giveUp(path: string, inodeId: number, outcome: Outcome): Promise<void> {
    try {
      await this.#end(path, inodeId, outcome);
    } catch (error) {
      this.#log.warn(`${path}: could not be ${outcome}: ${messageOf(error)}; it is tried again, and the name node does it when the lease ends`);
      if (isHopeless(error) || this.#isClosed) return;
      this.#remembered.set(inodeId, { path, outcome });
      if (this.#remembered.size > maxRemembered) this.#remembered.delete(this.#remembered.keys().next().value!);
      this.#stop ??= repeat(this.#clock, () => retryIntervalMs, () => this.#retry(), (failure) => this.#log.warn(`could not end files that were given up: ${messageOf(failure)}`));
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#stop?.();
    this.#remembered.clear();
  }

  async #end(path: string, inodeId: number, outcome: Outcome): Promise<void> {
    // Under the path another file may stand meanwhile, of somebody else: that one must stay.
    if (outcome === 'closed') {
      const file = await this.#nameNode.call('fs.getFileInfo', { path }, { retryTimeoutMs: cleanUpLimitMs });
      if (file?.inodeId === inodeId && file.isUnderConstruction) await this.#nameNode.call('fs.recoverLease', { path }, { retryTimeoutMs: cleanUpLimitMs });
      return;
    }
    await this.#nameNode.call('fs.delete', { path, recursive: false, inodeId, isOwnWrite: true }, { retryTimeoutMs: cleanUpLimitMs });
  }

  async #retry(): Promise<void> {
    for (const [inodeId, { path, outcome }] of [...this.#remembered]) {
      if (this.#isClosed) return;
      try {
        await this.#end(path, inodeId, outcome);
      } catch (error) {
        // It will not answer for the others either.
        if (!isHopeless(error)) return;
      }
      this.#remembered.delete(inodeId);
    }
    if (this.#remembered.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }
}

/** The name node has refused for good: neither was it out of reach, nor will it change its mind. */
function isHopeless(error: unknown): boolean {
  return error instanceof DfsError && !error.isRetriable && !(error instanceof SafeModeError);
}
