import { assert } from '../base/assert.js';
import { type Frame, frameMagic, framePrefixBytes, frameTypes, maxControlBodyBytes, maxFrameBodyBytes } from '../protocol/block-stream.js';
import { InputOutputError } from '../protocol/errors.js';
import type { BufferPool } from './buffer-pool.js';

/** Read at once where a frame may begin: small frames come several at a time. */
const scratchBytes = 16 * 1024;
/** After a large frame another is likely, and what is read here of it has to be copied. */
const scratchBytesAfterLargeFrame = 4 * 1024;

const knownTypes = new Set<number>(Object.values(frameTypes));

/**
 * Turns bytes into frames with as little copying as can be: where a frame may begin, bytes are read into a small scratch buffer;
 * of a frame that does not end there, the rest is read into the very place that it has in the frame's own buffer. So a packet of
 * 512 KiB arrives in one piece, and less than 1% of it was copied.
 */
export class FrameReceiver {
  readonly #pool: BufferPool;
  readonly #onFrame: (frame: Frame) => void;
  readonly #onRelease: () => void;
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes);
  #scratchUsed = 0;
  #scratchLimit = scratchBytes;
  #large: { buffer: Buffer; filled: number; length: number } | undefined;

  /** `onFrame` gets each frame, in order; `onRelease` is called when one is given back. */
  constructor(options: { pool: BufferPool; onFrame: (frame: Frame) => void; onRelease: () => void }) {
    this.#pool = options.pool;
    this.#onFrame = options.onFrame;
    this.#onRelease = options.onRelease;
  }

  /** Where the next bytes are to be put, never empty. Valid until `received`. */
  buffer(): Buffer {
    const large = this.#large;
    if (large) return large.buffer.subarray(large.filled, large.length);
    return this.#scratch.subarray(this.#scratchUsed, Math.max(this.#scratchLimit, this.#scratchUsed + framePrefixBytes));
  }

  /** The first `count` bytes of `buffer()` have come. Throws InputOutputError for what cannot be a frame; the stream is then over. */
  received(count: number): void {
    const large = this.#large;
    if (!large) {
      this.#scratchUsed += count;
      this.#scratchLimit = scratchBytes;
      return this.#parseScratch();
    }
    large.filled += count;
    assert(large.filled <= large.length, 'no more is read into a frame than it has room for');
    if (large.filled < large.length) return;
    this.#large = undefined;
    this.#scratchLimit = scratchBytesAfterLargeFrame;
    this.#emit(large.buffer, large.length);
  }

  /** Bytes that came in a buffer of someone else's: copied. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const target = this.buffer();
      const count = Math.min(target.length, chunk.length - at);
      target.set(chunk.subarray(at, at + count));
      this.received(count);
      at += count;
    }
  }

  /** Part of a frame has come, and its end has not. */
  get isMidFrame(): boolean {
    return this.#large !== undefined || this.#scratchUsed > 0;
  }

  /** Gives back the buffer of a frame that will never be whole. */
  dispose(): void {
    if (this.#large) this.#pool.release(this.#large.buffer);
    this.#large = undefined;
    this.#scratchUsed = 0;
  }

  #parseScratch(): void {
    const scratch = this.#scratch;
    let at = 0;
    while (this.#scratchUsed - at >= framePrefixBytes) {
      const length = framePrefixBytes + checkedBodyLength(scratch, at);
      const available = this.#scratchUsed - at;
      const buffer = this.#pool.acquire(length);
      scratch.copy(buffer, 0, at, at + Math.min(available, length));
      if (available < length) {
        this.#large = { buffer, filled: available, length };
        this.#scratchUsed = 0;
        return;
      }
      at += length;
      this.#emit(buffer, length);
    }
    scratch.copyWithin(0, at, this.#scratchUsed);
    this.#scratchUsed -= at;
  }

  #emit(buffer: Buffer, length: number): void {
    this.#onFrame(new ReceivedFrame(buffer, length, this.#pool, this.#onRelease));
  }
}

class ReceivedFrame implements Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  readonly raw: Buffer;
  #buffer: Buffer | undefined;
  readonly #pool: BufferPool;
  readonly #onRelease: () => void;

  constructor(buffer: Buffer, length: number, pool: BufferPool, onRelease: () => void) {
    this.type = buffer[1]!;
    this.flags = (buffer[2]! << 8) | buffer[3]!;
    this.raw = buffer.length === length ? buffer : buffer.subarray(0, length);
    this.body = buffer.subarray(framePrefixBytes, length);
    this.#buffer = buffer;
    this.#pool = pool;
    this.#onRelease = onRelease;
  }

  release(): void {
    assert(this.#buffer, 'a frame is released once');
    this.#pool.release(this.#buffer);
    this.#buffer = undefined;
    this.#onRelease();
  }
}

/** The body length that a frame's prefix announces: checked before anything is allocated for it. */
function checkedBodyLength(bytes: Buffer, at: number): number {
  if (bytes[at] !== frameMagic) throw new InputOutputError(`no frame of a block stream: it begins with byte ${bytes[at]}, not ${frameMagic}`);
  const type = bytes[at + 1]!;
  const bodyLength = bytes.readUInt32BE(at + 4);
  if (!knownTypes.has(type)) throw new InputOutputError(`no frame of a block stream: unknown type ${type}`);
  const maxLength = type === frameTypes.packet ? maxFrameBodyBytes : maxControlBodyBytes;
  if (bodyLength > maxLength) throw new InputOutputError(`a frame of type ${type} holds at most ${maxLength} bytes, this one ${bodyLength}`);
  return bodyLength;
}
