import type { Clock } from '../base/clock.js';
import type { ReplicaLocation } from '../protocol/block.js';
import { type AckEntry, type AckStatus, type BlockChannel, type BlockChannelConnector, decodeAck, frameTypes, type WriteRequest } from '../protocol/block-stream.js';
import { ChecksumError, InputOutputError, UnavailableError } from '../protocol/errors.js';
import { openOperation, RefusedError } from '../transport/block-operation.js';
import type { Packet } from './packet.js';
import type { PacketQueue } from './packet-queue.js';
import { SilenceWatch, type SuspectFinder } from './silence-watch.js';

/** A pipeline broke, and by what we know by one of its nodes. */
export class PipelineFailure extends Error {
  override readonly name = 'PipelineFailure';
  /** Index of the node in the pipeline. When nothing tells, it is the first: the only one that we see. */
  readonly culprit: number;
  /** Perhaps the way to the node failed, and not the node: what it has acknowledged may well be there. */
  readonly isOfTheWay: boolean;

  constructor(culprit: number, reason: string, { isOfTheWay = false } = {}) {
    super(reason);
    this.culprit = culprit;
    this.isOfTheWay = isOfTheWay;
  }
}

export interface PipelineContext {
  connector: BlockChannelConnector;
  clock: Clock;
  findSuspect: SuspectFinder;
  signal: AbortSignal;
}

export interface PipelineListener {
  /** The first node took the block up to here. */
  onSent(endInBlock: number): void;
  /** All nodes acknowledged one more packet. */
  onAcknowledged(entries: AckEntry[]): void;
}

/** A larger packet gains nothing by going out with its request, and each node would hold it while it gets ready. */
const smallFrameBytes = 72 * 1024;

const reasons: Record<Exclude<AckStatus, 'ok'>, string> = {
  error: 'could not write the block',
  checksum: 'got bytes that do not match their checksum',
  noSpace: 'is out of space',
  stale: 'knows a newer generation of the block',
};

/**
 * One try to bring a block's packets to its data nodes: dn1 -> dn2 -> dn3 behind one channel (DFSOutputStream's DataStreamer).
 * Whatever goes wrong is a PipelineFailure; then the channel is destroyed, and the queue holds what must be sent again.
 */
export class Pipeline {
  readonly #context: PipelineContext;
  readonly #channel: BlockChannel;
  readonly #targets: readonly ReplicaLocation[];
  /** Went out with the request. */
  readonly #sent: Packet | undefined;
  #failure: PipelineFailure | undefined;

  private constructor(context: PipelineContext, channel: BlockChannel, targets: readonly ReplicaLocation[], sent?: Packet) {
    this.#context = context;
    this.#channel = channel;
    this.#targets = targets;
    this.#sent = sent;
  }

  /** Resolves when every node of the pipeline is ready for packets. If `queue` has one small packet and will have no more, it goes out with the request. */
  static async open(context: PipelineContext, targets: readonly ReplicaLocation[], request: Omit<WriteRequest, 'storageId' | 'downstream'>, queue?: PacketQueue): Promise<Pipeline> {
    const only = queue?.only;
    const sent = only && only.frame.length <= smallFrameBytes ? only : undefined;
    const first = targets[0]!;
    let opening: BlockChannel | undefined;
    let failure: PipelineFailure | undefined;
    const watch = new SilenceWatch(context.clock, targets, context.findSuspect, {
      isWaiting: () => opening !== undefined,
      onSilence: (culprit, reason) => {
        failure = new PipelineFailure(culprit, reason);
        opening?.destroy();
      },
    });
    try {
      if (sent) sent.pendingWrites++;
      const body: WriteRequest = { ...request, storageId: first.storageId, downstream: targets.slice(1), isFollowed: sent !== undefined };
      const { channel } = await openOperation(context.connector, first.address, { type: frameTypes.write, body }, {
        clock: context.clock,
        limitMs: watch.limitMs * 2,
        signal: context.signal,
        following: sent?.frame,
        onChannel: (channel) => {
          opening = channel;
          watch.heard();
        },
        onWorking: () => watch.noteWorking(),
      });
      return new Pipeline(context, channel, targets, sent);
    } catch (error) {
      if (failure) throw failure;
      if (error instanceof RefusedError) {
        const index = targets.findIndex((target) => target.datanodeUuid === error.badDatanode);
        throw new PipelineFailure(Math.max(0, index), `refused the block: ${error.message}`, { isOfTheWay: error.reason instanceof UnavailableError || error.reason instanceof ChecksumError });
      }
      throw new PipelineFailure(0, messageOf(error), { isOfTheWay: true });
    } finally {
      watch.stop();
      if (sent) queue!.writeEnded(sent);
    }
  }

  /** Sends the queue's packets as they come, up to LAST; resolves to the last acknowledgement, and gives the channel back. */
  async run(queue: PacketQueue, listener: PipelineListener): Promise<AckEntry[]> {
    queue.rewind();
    const watch = new SilenceWatch(this.#context.clock, this.#targets, this.#context.findSuspect, {
      isWaiting: () => queue.hasUnacknowledged,
      onSilence: (culprit, reason) => this.#break(new PipelineFailure(culprit, reason)),
      onIdle: () => queue.isComplete || queue.pushEmpty({ isLast: false }),
    });
    const onAbort = () => this.#break(new PipelineFailure(0, 'cancelled'));
    this.#context.signal.addEventListener('abort', onAbort, { once: true });
    const pump = () => {
      if (!queue.hasUnacknowledged) watch.heard();
      for (let packet = queue.next(); packet; packet = queue.next()) {
        if (packet === this.#sent) listener.onSent(packet.endInBlock);
        else this.#send(packet, queue, listener);
      }
    };
    try {
      if (this.#context.signal.aborted) onAbort();
      queue.onReady = pump;
      pump();
      const entries = await this.#readAcknowledgements(queue, listener, watch);
      this.#context.connector.release(this.#channel);
      return entries;
    } catch (error) {
      this.#channel.destroy();
      if (this.#failure) throw this.#failure;
      throw error instanceof PipelineFailure ? error : new PipelineFailure(0, messageOf(error), { isOfTheWay: true });
    } finally {
      queue.onReady = undefined;
      watch.stop();
      this.#context.signal.removeEventListener('abort', onAbort);
    }
  }

  destroy(): void {
    this.#channel.destroy();
  }

  #break(failure: PipelineFailure): void {
    this.#failure ??= failure;
    this.#channel.destroy();
  }

  #send(packet: Packet, queue: PacketQueue, listener: PipelineListener): void {
    packet.pendingWrites++;
    this.#channel.write([packet.frame]).then(
      () => {
        listener.onSent(packet.endInBlock);
        queue.writeEnded(packet);
      },
      // The acknowledgement that says why may still be on its way: the reader decides when the channel is broken for good.
      () => queue.writeEnded(packet),
    );
  }

  async #readAcknowledgements(queue: PacketQueue, listener: PipelineListener, watch: SilenceWatch): Promise<AckEntry[]> {
    for (;;) {
      const frame = await this.#channel.read();
      if (!frame) throw new InputOutputError('closed the connection in the middle of the block');
      if (frame.type === frameTypes.working) {
        frame.release();
        watch.noteWorking();
        continue;
      }
      const ack = frame.type === frameTypes.ack ? decodeAck(frame.body) : undefined;
      frame.release();
      if (!ack) throw new InputOutputError('sent something that is no acknowledgement');
      watch.heard();
      const culprit = ack.entries.findIndex((entry) => entry.status !== 'ok');
      if (culprit >= 0) {
        const { status } = ack.entries[culprit]!;
        // A node tells of its own disk, and of a connection to the next node that broke, in the same word.
        const isOfTheWay = status === 'checksum' || (status === 'error' && culprit > 0);
        throw new PipelineFailure(Math.min(culprit, this.#targets.length - 1), status === 'ok' ? '' : reasons[status], { isOfTheWay });
      }
      if (ack.entries.length !== this.#targets.length) throw new PipelineFailure(Math.min(ack.entries.length, this.#targets.length - 1), 'is missing from an acknowledgement');
      const packet = queue.oldest;
      if (packet?.sequence !== ack.sequence) throw new PipelineFailure(0, `acknowledged packet ${ack.sequence} out of turn`);
      const { isLast } = packet;
      queue.acknowledgeOldest();
      listener.onAcknowledged(ack.entries);
      if (isLast) return ack.entries;
    }
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
