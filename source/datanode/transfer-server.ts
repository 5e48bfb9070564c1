import { blockName } from '../protocol/block.js';
import type { BlockChannel, TransferRequest } from '../protocol/block-stream.js';
import { ChecksumError, InputOutputError, OverloadedError } from '../protocol/errors.js';
import { RefusedError } from '../transport/block-operation.js';
import { acceptance, refusal, tellWorking } from './channel-operation.js';
import type { NodeContext } from './node-context.js';
import { copyReplica, CopyTargetError } from './replica-copier.js';

/**
 * The TRANSFER operation: copies the begin of an own replica to a node that is to join its pipeline, and answers when it is there. Whoever
 * asked and has gone would never know of the copy: it is broken off then, and the target keeps nothing.
 */
export class TransferServer {
  readonly #node: NodeContext;
  readonly #channel: BlockChannel;
  readonly #request: TransferRequest;
  readonly #abort = new AbortController();

  constructor(node: NodeContext, channel: BlockChannel, request: TransferRequest) {
    this.#node = node;
    this.#channel = channel;
    this.#request = request;
  }

  destroy(): void {
    this.#abort.abort();
    this.#channel.destroy();
  }

  async run(): Promise<boolean> {
    const { block, token, target } = this.#request;
    let answer: Buffer;
    const stopWatching = this.#channel.onGone(() => this.#abort.abort());
    const stopTelling = tellWorking(this.#node, this.#channel);
    try {
      await this.#node.peers.check(target);
      await copyReplica(this.#node, { block, token, targets: [target], isFinal: false, signal: this.#abort.signal });
      answer = acceptance({ chunkBytes: 0, offsetBytes: 0, replicaLengthBytes: block.lengthBytes });
    } catch (error) {
      const reason = error instanceof CopyTargetError ? reasonOf(error) : error;
      this.#node.logger.warn(
        `transfer of ${blockName(block)} to ${target.name}: ${error instanceof Error ? error.message : String(error)}`,
      );
      if (error instanceof ChecksumError) this.#node.onSuspect(block, error);
      // Without a descriptor it is this node that cannot connect.
      const isTarget = error instanceof CopyTargetError && !(error.cause instanceof OverloadedError);
      answer = refusal(reason, isTarget ? target.datanodeUuid : this.#node.store.datanodeUuid);
    }
    stopTelling();
    stopWatching();
    if (this.#channel.isDestroyed) return false;
    await this.#channel.write([answer]);
    return true;
  }
}

/** The typed error behind it where there is one; it crosses the wire. */
function reasonOf(error: CopyTargetError): Error {
  if (error.cause instanceof RefusedError) return error.cause.reason;
  return new InputOutputError(error.message, { cause: error });
}
