const newline = 0x0a;

/** Cuts a stream of bytes into lines, without their newlines: how JSON-RPC messages are framed on a stream. */
export class LineReader {
  /** Bytes in a line at most; may be raised while the stream runs. */
  maxLineBytes: number;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(maxLineBytes: number) {
    this.maxLineBytes = maxLineBytes;
  }

  /** Takes what arrived; it must stay as it is until `next` has returned undefined. */
  push(chunk: Buffer): void {
    this.#chunk = this.#position < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#position), chunk]) : chunk;
    this.#position = 0;
  }

  /** The next whole line; undefined until more arrives. */
  next(): Buffer | undefined {
    const end = this.#chunk.indexOf(newline, this.#position);
    const rest = this.#chunk.subarray(this.#position, end < 0 ? this.#chunk.length : end);
    if (end < 0) {
      if (rest.length > 0) this.#partial.push(rest);
      this.#partialBytes += rest.length;
      this.#position = this.#chunk.length;
      return undefined;
    }
    this.#position = end + 1;
    if (this.#partialBytes === 0) return rest;
    const line = Buffer.concat([...this.#partial, rest]);
    this.#partial = [];
    this.#partialBytes = 0;
    return line;
  }

  /** Bytes of a line whose end has not come yet. */
  get pendingBytes(): number {
    return this.#partialBytes;
  }

  /** True once the line that is coming is longer than allowed: the stream cannot go on. */
  get isOverlong(): boolean {
    return this.#partialBytes > this.maxLineBytes;
  }
}
