import type { LocatedBlock } from '../protocol/block.js';
import { InvalidArgumentError, LeaseExpiredError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import { type AbandonedFiles, cleanUpLimitMs } from './abandoned-files.js';
import { BlockWriter, type FileContext, whenReplicated, type WrittenBlock } from './block-writer.js';
import { cancelledError, withGrace } from './cancellation.js';
import type { FileWriter, WriteProgress } from './client-api.js';
import { Packet, packetBufferBytes, packetGeometry, type PacketMarks } from './packet.js';
import type { PacketPool } from './packet-pool.js';
import { PacketQueue } from './packet-queue.js';
import { WriteMeter } from './write-meter.js';

/** Packets of one file filled, on their way or unacknowledged: measured best for a chain of three (performance.md). */
const windowPackets = 16;

export interface OutputStreamOptions {
  status: FileStatus;
  /** The block that fs.create brought along; of a file opened for append, the one that goes on. */
  firstBlock: LocatedBlock | null;
  /** Opened for append: where the first byte goes. */
  append?: { blockIndex: number; offsetBytes: number } | undefined;
  /** Of no use to anybody unless it is closed: given up, it is deleted, flushed or not. */
  isTemporary: boolean;
  file: FileContext;
  abandoned: AbandonedFiles;
  /** Aborts `file.signal`. */
  stop: AbortController;
  pool: PacketPool;
  userSignal: AbortSignal | undefined;
  onProgress: ((progress: WriteProgress) => void) | undefined;
  /** Called once, when nothing of the writer is left to do. */
  onEnd: () => void;
}

type CloseOptions = NonNullable<Parameters<FileWriter['close']>[0]>;
type CloseResult = Awaited<ReturnType<FileWriter['close']>>;

/**
 * Cuts what is written into packets and blocks, and drives one BlockWriter after the other (DFSOutputStream). The caller fills packets
 * while earlier ones are on their way, into the next block too; it waits only for buffers.
 *
 *      open --write--> open --close--> closing --> closed
 *        \---any failure, signal---> failed --abort--> aborted (also from open and closing)
 */
export class OutputStream implements FileWriter {
  readonly #status: FileStatus;
  readonly #file: FileContext;
  readonly #options: OutputStreamOptions;
  readonly #packetDataBytes: number;
  #firstBlock: LocatedBlock | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #isBusy = false;
  #failure: Error | undefined;

  #current: Packet | undefined;
  /** Bytes of the block being filled. */
  #filledInBlock = 0;
  /** Something was put into a block; before that, one opened for append is as it was. */
  #hasBegun = false;
  /** Index of the next block that is begun. */
  #nextBlockIndex: number;
  /** Where this writer stood at its last flush, in bytes it has taken; and whether that was a sync. */
  #flushed = { takenBytes: 0, isSync: false };
  #takenBytes = 0;
  #buffersInUse = 0;
  /** The block being filled is the last one here; the first is being sent. */
  readonly #queues: PacketQueue[] = [];
  #driving: Promise<void> | undefined;
  #wakeDriver: (() => void) | undefined;
  #wakeCaller: (() => void) | undefined;
  /** Settles, never rejects, when the closing calls have their outcome. */
  #closing: Promise<void> | undefined;
  #aborting: Promise<void> | undefined;
  /** The caller has a buffer from `acquire`, and may be filling it. */
  #isLent = false;

  #lastWriter: BlockWriter | null = null;
  readonly #meter: WriteMeter;
  readonly #onUserAbort = (): void => void this.abort();

  constructor(options: OutputStreamOptions) {
    const { status, file, firstBlock, append } = options;
    this.#options = options;
    this.#status = status;
    this.#file = file;
    this.#firstBlock = firstBlock ?? undefined;
    const { blockIndex, offsetBytes } = append ?? { blockIndex: 0, offsetBytes: 0 };
    this.#nextBlockIndex = blockIndex;
    this.#filledInBlock = firstBlock?.block.lengthBytes ?? 0;
    this.#packetDataBytes = packetGeometry(status.blockSizeBytes).packetDataBytes;
    this.#meter = new WriteMeter({
      replication: status.replication,
      isDurable: file.isDurable,
      failures: file.failed.failures,
      start: { blockIndex, blockOffsetBytes: offsetBytes - this.#filledInBlock, offsetBytes },
      onChange: () => this.#report(),
    });
    options.userSignal?.addEventListener('abort', this.#onUserAbort, { once: true });
  }

  get status(): FileStatus {
    return this.#status;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#exclusively(async () => {
      for (let at = 0; at < bytes.length; ) {
        const packet = await this.#packetToFill();
        const free = packet.free();
        const length = Math.min(free.length, bytes.length - at);
        free.set(length === bytes.length ? bytes : bytes.subarray(at, at + length));
        at += length;
        this.#fill(packet, length);
      }
    });
  }

  async acquire(): Promise<Uint8Array> {
    const free = await this.#exclusively(async () => (await this.#packetToFill()).free());
    this.#isLent = true;
    return free;
  }

  async commit(lengthBytes: number): Promise<void> {
    this.#isLent = false;
    const free = this.#current?.free().length ?? 0;
    // After a failure (a cancel while the caller filled the buffer) that is what is said: nothing is lent any more.
    if (this.#failure) return this.#exclusively(noop);
    if (!Number.isInteger(lengthBytes) || lengthBytes < 0 || lengthBytes > free) throw new InvalidArgumentError(`cannot commit ${lengthBytes} bytes: ${free} were acquired`);
    await this.#exclusively(() => {
      if (lengthBytes > 0) this.#fill(this.#current!, lengthBytes);
    });
  }

  hflush(): Promise<void> {
    return this.#exclusively(() => this.#flush({ isSync: false }));
  }

  hsync(): Promise<void> {
    return this.#exclusively(() => this.#flush({ isSync: true }));
  }

  async close(options: CloseOptions = {}): Promise<CloseResult> {
    return this.#exclusively(async () => {
      this.#state = 'closing';
      const closing = this.#complete(options);
      this.#closing = closing.then(noop, noop);
      return { status: await closing, degraded: this.#meter.degraded };
    });
  }

  abort(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    this.#aborting ??= this.#abort();
    return this.#aborting;
  }

  // What the caller fills

  /** One call at a time, and none after a failure. A cancelled call rejects only when everything is cleaned up behind it. */
  async #exclusively<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#isBusy) throw new InvalidArgumentError(`${this.#file.path}: one call at a time; await the one before`);
    this.#isBusy = true;
    try {
      if (this.#failure) throw this.#failure;
      if (this.#state !== 'open') throw new InvalidArgumentError(`${this.#file.path}: the writer is closed`);
      return await work();
    } catch (error) {
      this.#fail(error as Error);
      await this.#aborting;
      throw this.#failure ?? error;
    } finally {
      this.#isBusy = false;
    }
  }

  async #packetToFill(): Promise<Packet> {
    if (this.#current?.isFull) this.#sealCurrent({ isLast: true });
    else if (this.#filledInBlock === this.#status.blockSizeBytes && this.#hasBegun) {
      // Its last bytes went out with a sync.
      this.#queues.at(-1)!.pushEmpty({ isLast: true });
      this.#filledInBlock = 0;
    }
    return this.#current ?? this.#startPacket();
  }

  async #startPacket(): Promise<Packet> {
    const buffer = await this.#takeBuffer();
    const { chunkBytes } = this.#file;
    const filledInChunk = this.#filledInBlock % chunkBytes;
    const blockLeftBytes = this.#status.blockSizeBytes - this.#filledInBlock;
    // After a flush inside a chunk the rest of that chunk goes alone, so that what follows fits the chunks of the replicas again.
    const roomBytes = filledInChunk === 0 ? this.#packetDataBytes : chunkBytes - filledInChunk;
    this.#current = new Packet(buffer, { offsetInBlock: this.#filledInBlock, capacityBytes: Math.min(roomBytes, blockLeftBytes) });
    return this.#current;
  }

  async #takeBuffer(): Promise<Buffer> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      const buffer = this.#buffersInUse < windowPackets ? this.#options.pool.take({ isFirst: this.#buffersInUse === 0 }) : undefined;
      if (buffer) {
        this.#buffersInUse++;
        return buffer;
      }
      await new Promise<void>((resolve) => {
        const forget = this.#options.pool.onGiven(resolve);
        this.#wakeCaller = () => {
          forget();
          resolve();
        };
      });
    }
  }

  #fill(packet: Packet, lengthBytes: number): void {
    packet.fill(lengthBytes);
    this.#filledInBlock += lengthBytes;
    this.#takenBytes += lengthBytes;
    if (!packet.isFull) return;
    const isLast = this.#filledInBlock === this.#status.blockSizeBytes;
    // A block that ends without a sync is kept open until there is more for the file: a sync may come first.
    if (!isLast || this.#file.isDurable) this.#sealCurrent({ isLast });
  }

  #sealCurrent(marks: PacketMarks): void {
    const packet = this.#current!;
    this.#current = undefined;
    if (packet.offsetInBlock === 0 || !this.#hasBegun) this.#beginBlock(packet.offsetInBlock);
    this.#queues.at(-1)!.push(packet, marks);
    if (marks.isLast) this.#filledInBlock = 0;
    this.#startDriving();
  }

  /** `startBytes`: what the block has already. */
  #beginBlock(startBytes: number): void {
    this.#hasBegun = true;
    this.#queues.push(new PacketQueue(this.#nextBlockIndex++, this.#file.chunkBytes, (released) => this.#releaseBuffer(released), startBytes));
  }

  #startDriving(): void {
    this.#driving ??= this.#drive().catch((error: unknown) => this.#fail(error as Error));
    this.#wakeDriver?.();
  }

  #releaseBuffer(packet: Packet): void {
    if (packet.buffer.length !== packetBufferBytes) return;
    this.#buffersInUse--;
    this.#options.pool.give(packet.buffer);
  }

  /** A buffer that the caller may still be filling must not be another file's meanwhile. */
  #loseBuffer(packet: Packet): void {
    if (packet.buffer.length !== packetBufferBytes) return;
    this.#buffersInUse--;
    this.#options.pool.lose();
  }

  /** Marks the end of the last block: on its last bytes, or, if those are on their way already, by a packet without data. */
  #finishPackets(): void {
    if (this.#current?.dataLength) return this.#sealCurrent({ isLast: true });
    if (this.#current) this.#releaseBuffer(this.#current);
    this.#current = undefined;
    if (this.#filledInBlock > 0 && this.#hasBegun) this.#queues.at(-1)!.pushEmpty({ isLast: true });
  }

  /**
   * Waits until all bytes so far are acknowledged by every node of their pipeline (DFSOutputStream.flushOrSync), marked so that the nodes keep
   * them whatever happens. What filled blocks is behind their last acknowledgement.
   */
  async #flush({ isSync }: { isSync: boolean }): Promise<void> {
    if (this.#isLent) throw new InvalidArgumentError(`${this.#file.path}: commit what was acquired before a flush`);
    const takenBytes = this.#takenBytes;
    if (this.#flushed.takenBytes === takenBytes && (this.#flushed.isSync || !isSync)) return;
    const marks: PacketMarks = { isLast: false, isSync, isFlush: true };
    const packet = this.#current?.dataLength ? this.#current : undefined;
    if (packet) this.#sealCurrent(marks);
    const awaited = packet ?? (this.#filledInBlock > 0 && this.#hasBegun ? this.#queues.at(-1)?.pushEmpty(marks) : undefined);
    while (!this.#failure && !(awaited ? awaited.isAcknowledged : this.#queues.length === 0)) {
      await new Promise<void>((resolve) => {
        this.#wakeCaller = resolve;
        if (awaited) awaited.onAcknowledged = resolve;
      });
    }
    if (this.#failure) throw this.#failure;
    this.#flushed = { takenBytes, isSync };
  }

  // What happens to it

  /** Writes block after block; resolves when the file is closing and its last block is written. */
  async #drive(): Promise<void> {
    for (;;) {
      const queue = this.#queues[0];
      if (queue) {
        const located = this.#firstBlock;
        this.#firstBlock = undefined;
        const writer = await BlockWriter.write(this.#file, this.#meter.listenTo(queue), queue, this.#lastWriter, located);
        this.#queues.shift();
        this.#finishBlock(writer);
        this.#wakeCaller?.();
      } else if (this.#state !== 'open' || this.#failure) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wakeDriver = resolve));
        this.#wakeDriver = undefined;
      }
    }
  }

  #finishBlock(writer: BlockWriter): void {
    // Its successor was added, and so it was accepted.
    if (this.#lastWriter) this.#meter.acceptBlock(this.#lastWriter.written);
    this.#lastWriter = writer;
    this.#meter.finishBlock(writer.written);
  }

  /** The only call of the user's callback. What it throws is no node's fault and ends the writer, as a cancel does. */
  #report(): void {
    if (this.#failure) return;
    try {
      this.#options.onProgress?.(this.#meter.progress);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      void this.abort();
    }
  }

  // How it ends

  async #complete(options: CloseOptions): Promise<FileStatus> {
    const { nameNode, inodeId, clock, signal } = this.#file;
    this.#finishPackets();
    this.#wakeDriver?.();
    await this.#driving;
    if (this.#failure) throw this.#failure;
    // Once sent, a complete is waited for though the user cancels: whether the file stands must be known before cleaning up.
    const grace = withGrace(signal, clock, cleanUpLimitMs);
    try {
      const status = await whenReplicated(this.#file, this.#lastWriter, (last) =>
        nameNode.call('fs.complete', { inodeId, last: last ?? this.#untouched(), ...options }, { signal: grace.signal }),
      );
      if (this.#lastWriter) this.#meter.acceptBlock(this.#lastWriter.written);
      this.#state = 'closed';
      this.#end();
      return status;
    } finally {
      grace.dispose();
    }
  }

  /** The block that was to go on, when nothing was written: as it was. */
  #untouched(): WrittenBlock | null {
    const located = this.#hasBegun ? undefined : this.#firstBlock;
    if (!located || located.block.lengthBytes === 0) return null;
    return { block: located.block, replicas: located.locations.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId })) };
  }

  async #abort(): Promise<void> {
    const { inodeId, path } = this.#file;
    this.#fail(cancelledError(this.#options.userSignal, `writing ${path}`));
    await this.#closing;
    if (this.#state === 'closed') return;
    await this.#driving;
    for (const queue of this.#queues.splice(0)) queue.discard();
    if (this.#current && !this.#isLent) this.#releaseBuffer(this.#current);
    else if (this.#current) this.#loseBuffer(this.#current);
    this.#current = undefined;
    const { append, isTemporary, abandoned } = this.#options;
    // What was flushed or synced has been promised.
    const isKept = append !== undefined || (!isTemporary && this.#flushed.takenBytes > 0);
    if (isKept) await abandoned.recover(path, inodeId);
    else await abandoned.delete(path, inodeId);
    this.#end();
  }

  #fail(error: Error): void {
    if (this.#failure || this.#state === 'closed') return;
    this.#failure = withPath(error, this.#file.path);
    this.#options.stop.abort(this.#failure);
    this.#wakeDriver?.();
    this.#wakeCaller?.();
  }

  #end(): void {
    this.#options.userSignal?.removeEventListener('abort', this.#onUserAbort);
    this.#options.onEnd();
  }
}

/** A deleted file has no path any more at the name node: here it is known. */
function withPath(error: Error, path: string): Error {
  if (!(error instanceof LeaseExpiredError) || error.path !== undefined || error.message.includes(path)) return error;
  return new LeaseExpiredError(error.message.replace(/(?=\(inode \d+\))/, `${path} `), { path, details: error.details, cause: error });
}

function noop(): void {}
