/**
 * Writes the name node's records: numbers as varints (7 bits a byte, lowest first, the high bit says that more follow), text as its
 * length in bytes and its UTF-8. One writer is kept a codec and used again, so that a record costs one allocation: its own bytes.
 */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #length = 0;

  /** Every record begins here: what one that failed half-way left is not part of it. */
  begin(): this {
    this.#length = 0;
    return this;
  }

  byte(value: number): this {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** 0 <= value < 2^53, whole. */
  number(value: number): this {
    if (this.#length + 8 > this.#bytes.length) this.#grow(8);
    while (value >= 0x4000_0000) {
      this.#bytes[this.#length++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    while (value >= 128) {
      this.#bytes[this.#length++] = (value & 127) | 128;
      value >>>= 7;
    }
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** A number that may be absent: itself plus one, or 0. */
  optional(value: number | undefined): this {
    return this.number(value === undefined ? 0 : value + 1);
  }

  boolean(value: boolean): this {
    return this.byte(value ? 1 : 0);
  }

  text(value: string): this {
    const most = value.length * 3 + 8;
    if (this.#length + most > this.#bytes.length) this.#grow(most);
    if (value.length < 128) {
      const start = this.#length;
      let at = start + 1;
      let index = 0;
      for (; index < value.length; index++) {
        const code = value.charCodeAt(index);
        if (code >= 128) break;
        this.#bytes[at++] = code;
      }
      if (index === value.length) {
        this.#bytes[start] = index;
        this.#length = at;
        return this;
      }
    }
    this.number(Buffer.byteLength(value));
    this.#length += this.#bytes.write(value, this.#length);
    return this;
  }

  /** The record; the writer is empty again. */
  finish(): Uint8Array {
    const result = Buffer.allocUnsafe(this.#length);
    this.#bytes.copy(result, 0, 0, this.#length);
    this.#length = 0;
    return result;
  }

  #grow(count: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads what ByteWriter wrote. Reading past the end is a RangeError: records are checked by the store, so that is a bug. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw new RangeError('a record ends before its last field');
    return this.#bytes[this.#at++]!;
  }

  number(): number {
    let byte = this.byte();
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = this.byte();
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte >= 128);
    return value;
  }

  optional(): number | undefined {
    const value = this.number();
    return value === 0 ? undefined : value - 1;
  }

  boolean(): boolean {
    return this.byte() === 1;
  }

  text(): string {
    const length = this.number();
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('a record ends before its last field');
    return this.#bytes.toString('utf8', start, this.#at);
  }
}
