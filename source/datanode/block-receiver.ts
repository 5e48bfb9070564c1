import type { Timer } from '../base/clock.js';
import { Patience } from '../base/patience.js';
import { blockName } from '../protocol/block.js';
import {
  type AckEntry,
  type AckStatus,
  type BlockChannel,
  decodeAck,
  encodeAck,
  type Frame,
  frameTypes,
  packetChecksums,
  packetData,
  type PacketHeader,
  silenceLimitMs,
  type WriteRequest,
} from '../protocol/block-stream.js';
import {
  ChecksumError,
  InputOutputError,
  NoSpaceError,
  OverloadedError,
  ReplicaNotFoundError,
  StaleGenerationError,
} from '../protocol/errors.js';
import type { ReplicaWriter } from '../storage/block-store.js';
import { openOperation, readAnswer, RefusedError } from '../transport/block-operation.js';
import { type ArrivedPacket, lookAtPacket } from './arrived-packet.js';
import { acceptance, drain, drainMs, refusal, tellWorking } from './channel-operation.js';
import type { NodeContext } from './node-context.js';

/** Packets whose bytes are held: being written here, or forwarded. */
const maxHeldPackets = 16;
/** Packets that are not acknowledged yet; their bytes are released earlier. */
const maxUnacknowledged = 64;

interface PendingPacket {
  sequence: number;
  endBytes: number;
  isLast: boolean;
  /** How it went here. Never rejects. */
  own: Promise<AckStatus>;
}

/**
 * The WRITE operation: one hop of a pipeline (DataNode's BlockReceiver and PacketResponder).
 *
 *      upstream --packets--> #receive: verify, write and forward the same buffer --packets--> downstream
 *      upstream <--acks----- #respond: in order, when written here and acknowledged there <--acks-- downstream
 *
 * After LAST each hop makes its replica durable at the same time as the others. After any failure the acknowledgement says which hop it was, as
 * far as this one knows, and the replica stays, being written, for the recovery by its writer.
 */
export class BlockReceiver {
  readonly #node: NodeContext;
  readonly #channel: BlockChannel;
  readonly #request: WriteRequest;
  readonly #abort = new AbortController();
  readonly #diskPatience: Patience;
  #writer!: ReplicaWriter;
  #downstream: BlockChannel | undefined;
  /** The packet that came right behind the request and goes on with it, until it is taken here. */
  #first: ArrivedPacket | undefined;
  readonly #pending: PendingPacket[] = [];
  #heldPackets = 0;
  #nextSequence = 0;
  #hasLast = false;
  /** Nothing that still comes is taken. */
  #isOver = false;
  #isRevoked = false;
  #lastCall: Timer | undefined;
  #stopTelling = (): void => {};
  /** Wakes whoever waits for room, or for a packet to acknowledge. */
  #wake: (() => void)[] = [];

  constructor(node: NodeContext, channel: BlockChannel, request: WriteRequest) {
    this.#node = node;
    this.#channel = channel;
    this.#request = request;
    this.#diskPatience = new Patience(node.clock);
  }

  /** Breaks the operation off, from outside. */
  destroy(): void {
    this.#abort.abort();
    this.#channel.destroy();
    this.#downstream?.destroy();
  }

  /** True if the operation ended in good order: the channel takes the next one. */
  async run(): Promise<boolean> {
    this.#stopTelling = tellWorking(this.#node, this.#channel);
    try {
      if (this.#request.isFollowed && this.#request.stage === 'create') {
        const frame = await this.#channel.read();
        if (!frame) return false;
        this.#first = this.#look(frame, 0);
      }
      return (await this.#setUp()) ? await this.#write() : !this.#channel.isDestroyed;
    } finally {
      this.#first?.frame.release();
      this.#stopTelling();
    }
  }

  async #write(): Promise<boolean> {
    let isDone = false;
    try {
      const responding = this.#respond();
      await this.#receive();
      isDone = await responding;
    } finally {
      // A finalized replica has let go of its files by itself. A copy that broke off is nothing, and would bar the next one of its generation.
      if (!isDone || !this.#request.isFinal) await this.#writer.close({ isDiscarded: !isDone && this.#request.stage === 'transfer' });
      if (!isDone) this.#downstream?.destroy();
      this.#lastCall?.cancel();
      this.#diskPatience.stop();
      this.#stopTelling();
    }
    if (isDone && this.#downstream) this.#node.connector.release(this.#downstream);
    if (!isDone) {
      this.#node.counters.pipelineFailures++;
      await drain(this.#channel, this.#node.clock);
    }
    return isDone;
  }

  async #setUp(): Promise<boolean> {
    const { downstream, stage } = this.#request;
    const problem = this.#first?.problem;
    const [writer, next] = await Promise.allSettled(problem ? [Promise.reject(problem), undefined] : [this.#openWriter(), this.#openDownstream()]);
    if (writer.status === 'fulfilled') this.#writer = writer.value;
    if (next.status === 'fulfilled') this.#downstream = next.value;
    if (writer.status === 'fulfilled' && next.status === 'fulfilled') {
      this.#writer.onRevoked(() => this.#revoke());
      const { chunkBytes, receivedBytes } = this.#writer;
      this.#send(acceptance({ chunkBytes, offsetBytes: receivedBytes, replicaLengthBytes: receivedBytes }));
      return true;
    }
    this.#stopTelling();
    this.#downstream?.destroy();
    // A new replica that never got a byte is nothing; one of a broken pipeline is. Behind us the block may be whole already, if its packet went along:
    // its writer abandons it then, and the name node has it deleted.
    if (writer.status === 'fulfilled') await this.#writer.close({ isDiscarded: stage !== 'recover' });
    // Whoever is nearer to the sender is named: it cannot know of the others' failures what it did not pass on itself.
    if (writer.status === 'rejected') {
      this.#log('refused', writer.reason);
      this.#send(refusal(writer.reason, this.#node.store.datanodeUuid));
    } else if (next.status === 'rejected') {
      const error: unknown = next.reason;
      const isRefused = error instanceof RefusedError;
      this.#log(`could not go on to ${downstream[0]!.name}`, error);
      // Without a descriptor it is this node that cannot connect.
      const culprit = error instanceof OverloadedError ? this.#node.store.datanodeUuid : downstream[0]!.datanodeUuid;
      this.#send(refusal(isRefused ? error.reason : error, (isRefused ? error.badDatanode : undefined) ?? culprit));
    }
    return false;
  }

  async #openWriter(): Promise<ReplicaWriter> {
    const { stage, block, chunkBytes, isDurable, isFinal, keepBytes, previousGenerationStamp } = this.#request;
    const { store } = this.#node;
    if (stage === 'recover') return store.recover({ ...block, previousGenerationStamp, keepBytes, isDurable });
    try {
      // Which disk is this node's own affair, as in HDFS: it knows its room and its failures at this moment; the name node hears where it is.
      const writer = await store.create({ blockId: block.blockId, generationStamp: block.generationStamp, storageId: '', chunkBytes, isDurable, isTemporary: stage === 'transfer' && isFinal, isCopy: stage === 'transfer' });
      if (stage !== 'create' || !this.#node.deletions.covers(block)) return writer;
      await writer.close({ isDiscarded: true });
      throw new StaleGenerationError(`${blockName(block)} was deleted before its first byte came`, { blockId: block.blockId });
    } catch (error) {
      // A copy of what is here already: the name node did not know, and is told.
      const existing = store.getReplica(block.blockId);
      if (stage === 'transfer' && existing?.state === 'finalized' && existing.block.generationStamp === block.generationStamp)
        this.#node.onReceived(existing.block, existing.storageId);
      throw error;
    }
  }

  async #openDownstream(): Promise<BlockChannel | undefined> {
    const [next, ...rest] = this.#request.downstream;
    if (!next) return undefined;
    const body: WriteRequest = { ...this.#request, storageId: next.storageId, downstream: rest };
    const { connector, clock, peers } = this.#node;
    await peers.check(next);
    const { channel } = await openOperation(
      connector,
      next.address,
      { type: frameTypes.write, body },
      { clock, limitMs: this.#downstreamLimitMs(), silenceMs: silenceLimitMs, signal: this.#abort.signal, following: this.#first?.frame.raw },
    );
    return channel;
  }

  #downstreamLimitMs(): number {
    return this.#node.downstreamTimeoutMs + this.#node.hopTimeoutMs * this.#request.downstream.length;
  }

  /** Takes packets until LAST, or until the operation is over. */
  async #receive(): Promise<void> {
    while (!this.#isOver && !this.#hasLast) {
      while (!this.#isOver && !this.#hasRoom()) await this.#woken();
      const first = this.#first;
      let frame: Frame | null;
      try {
        // Once the operation was broken off the read says so.
        frame = first && !this.#channel.isDestroyed ? first.frame : await this.#channel.read();
      } catch (error) {
        return this.#senderLost(error);
      }
      if (!frame) return this.#senderLost(new InputOutputError('it hung up'));
      this.#first = undefined;
      if (this.#isOver) return frame.release();
      const { header, problem } = first ?? this.#look(frame, this.#writer.receivedBytes);
      if (problem || !header) {
        this.#log('stopped', problem);
        this.#push({
          sequence: header?.sequence ?? this.#nextSequence,
          endBytes: this.#writer.receivedBytes,
          isLast: false,
          own: Promise.resolve(statusOf(problem)),
        });
        return frame.release();
      }
      this.#take(frame, header, first ? undefined : this.#downstream?.write([frame.raw]));
    }
  }

  #look(frame: Frame, receivedBytes: number): ArrivedPacket {
    const arrived = lookAtPacket(frame, this.#request, receivedBytes, this.#channel.remoteAddress);
    if (arrived.problem instanceof ChecksumError) this.#node.counters.checksumFailures++;
    return arrived;
  }

  /** `forwarded` settles when the next node has it, or will not. */
  #take(frame: Frame, header: PacketHeader, forwarded: Promise<unknown> | undefined): void {
    const { budget, counters } = this.#node;
    const { sequence, isLast, isSync, isFlush, chunkBytes, offsetInBlock, dataLength } = header;
    const heldBytes = frame.raw.length;
    this.#heldPackets++;
    budget.take(heldBytes);
    counters.receivedBytes += dataLength;
    const written = this.#writer.append({
      offsetBytes: offsetInBlock,
      data: packetData(frame.body, header),
      checksums: packetChecksums(frame.body, header),
      chunkBytes,
      isLast: isLast && this.#request.isFinal,
      isFlush: isFlush || isSync,
    });
    this.#hasLast = isLast;
    void Promise.allSettled([written, forwarded]).then(() => {
      frame.release();
      this.#heldPackets--;
      budget.give(heldBytes);
      this.#wakeAll();
    });
    this.#nextSequence = (sequence + 1) >>> 0;
    this.#push({ sequence, endBytes: offsetInBlock + dataLength, isLast, own: this.#finish(written, { isLast, isSync }) });
  }

  /** Does what the packet asks for once it is written. */
  async #finish(written: Promise<void>, { isLast, isSync }: { isLast: boolean; isSync: boolean }): Promise<AckStatus> {
    try {
      await written;
      if (isLast && this.#request.isFinal) {
        const block = await this.#writer.finalize();
        this.#node.counters.blocksWritten++;
        this.#node.onReceived(block, this.#writer.storageId);
      } else if (isSync || (isLast && this.#request.isDurable)) {
        await this.#writer.sync();
      }
      return 'ok';
    } catch (error) {
      if (!this.#isOver) this.#log('failed here', error);
      return statusOf(error);
    }
  }

  /** Acknowledges packets in order. True after the last one, if all went well everywhere. */
  async #respond(): Promise<boolean> {
    for (;;) {
      while (this.#pending.length === 0 && !this.#isOver) await this.#woken();
      const packet = this.#pending[0];
      if (!packet || (this.#isOver && !this.#isRevoked && this.#channel.isDestroyed)) return false;
      const status = this.#isRevoked ? 'stale' : await this.#ownStatus(packet);
      const own: AckEntry = { status, receivedBytes: packet.endBytes, durableBytes: this.#writer.durableBytes };
      const others = status === 'ok' && this.#downstream ? await this.#readAck(this.#downstream, packet) : [];
      const isGood = status === 'ok' && others.every((entry) => entry.status === 'ok');
      const entries = this.#isRevoked && !isGood ? [{ ...own, status: 'stale' as const }] : [own, ...others];
      if (!isGood) this.#over();
      else this.#writer.acknowledge(packet.endBytes);
      if (!isGood || packet.isLast) this.#stopTelling();
      this.#send(encodeAck({ sequence: packet.sequence, entries }));
      if (!isGood) return false;
      if (packet.isLast) return true;
      this.#pending.shift();
      this.#wakeAll();
    }
  }

  /** A disk that takes too long counts as one that failed: the pipeline goes on without it, and what it still does is of no use to anybody. */
  #ownStatus(packet: PendingPacket): Promise<AckStatus> {
    const { diskTimeoutMs } = this.#node;
    return new Promise((resolve) => {
      const wait = this.#diskPatience.begin(diskTimeoutMs, () => {
        this.#log('left out', new InputOutputError(`its disk did not take a packet within ${diskTimeoutMs / 1000} s`));
        resolve('error');
      });
      void packet.own.then((status) => {
        this.#diskPatience.end(wait);
        resolve(status);
      });
    });
  }

  async #readAck(downstream: BlockChannel, packet: PendingPacket): Promise<AckEntry[]> {
    const [next, ...rest] = this.#request.downstream;
    const { clock, peerWaits } = this.#node;
    const beganMs = clock.monotonicMs();
    try {
      const frame = await readAnswer(downstream, { clock: this.#node.clock, limitMs: this.#downstreamLimitMs(), silenceMs: silenceLimitMs });
      const ack = frame.type === frameTypes.ack ? decodeAck(frame.body) : undefined;
      frame.release();
      if (!ack || ack.entries.length === 0) throw new InputOutputError('it sent something that is no acknowledgement');
      const isFailure = ack.entries.some((entry) => entry.status !== 'ok');
      if (!isFailure && (ack.sequence !== packet.sequence || ack.entries.length !== this.#request.downstream.length))
        throw new InputOutputError('it acknowledged something else');
      if (!isFailure && rest.length === 0) peerWaits.note(next!.datanodeUuid, clock.monotonicMs() - beganMs);
      return ack.entries;
    } catch (error) {
      if (!this.#abort.signal.aborted && !this.#isRevoked) this.#log(`lost ${next!.name}`, error);
      return [{ status: 'error', receivedBytes: 0, durableBytes: 0 }];
    }
  }

  #hasRoom(): boolean {
    if (this.#pending.length >= maxUnacknowledged) return false;
    return this.#heldPackets === 0 || (this.#heldPackets < maxHeldPackets && this.#node.budget.hasRoom(0));
  }

  #senderLost(error: unknown): void {
    if (!this.#isOver) this.#log('lost its sender', error);
    this.#channel.destroy();
    this.#downstream?.destroy();
    this.#over();
  }

  /** Another writer took the replica over, or it was deleted. */
  #revoke(): void {
    if (this.#isOver) return;
    this.#isRevoked = true;
    this.#downstream?.destroy();
    if (this.#pending.length === 0)
      this.#push({ sequence: this.#nextSequence, endBytes: this.#writer.receivedBytes, isLast: false, own: Promise.resolve('stale') });
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // A read that waits for the sender's next packet ends with the sender, who learns from the acknowledgement; or after this.
    this.#lastCall = this.#node.clock.setTimer(() => this.#channel.destroy(), drainMs, { background: true });
    this.#wakeAll();
  }

  #push(packet: PendingPacket): void {
    this.#pending.push(packet);
    this.#wakeAll();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** An answer that cannot be sent changes nothing: whoever should get it is gone. */
  #send(frame: Buffer): void {
    this.#channel.write([frame]).catch(() => {});
  }

  #log(what: string, error: unknown): void {
    const { block, stage } = this.#request;
    this.#node.logger.warn(
      `${stage} of ${blockName(block)} from ${this.#channel.remoteAddress} ${what}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function statusOf(error: unknown): AckStatus {
  if (error instanceof NoSpaceError) return 'noSpace';
  if (error instanceof ChecksumError) return 'checksum';
  if (error instanceof StaleGenerationError || error instanceof ReplicaNotFoundError) return 'stale';
  return 'error';
}
