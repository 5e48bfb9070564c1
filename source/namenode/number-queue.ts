const chunkLength = 4096;

type NumberArray = Uint32Array | Float64Array;

/** A first-in first-out queue of numbers in typed arrays: 4 or 8 bytes each, no limit of a Map's or an Array's kind, given back as it drains. */
export class NumberQueue {
  readonly #newChunk: () => NumberArray;
  #chunks: NumberArray[] = [];
  /** Chunks before this one are used up; cut off now and then, so that `shift` stays O(1). */
  #firstChunk = 0;
  #head = 0;
  #tail = 0;
  #length = 0;

  constructor(kind: 'uint32' | 'float64') {
    this.#newChunk = kind === 'uint32' ? () => new Uint32Array(chunkLength) : () => new Float64Array(chunkLength);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === 0 && this.#firstChunk < this.#chunks.length) {
      // An empty queue begins anew in the chunk that it has.
      this.#chunks = [this.#chunks[this.#firstChunk]!];
      this.#firstChunk = this.#head = this.#tail = 0;
    } else if (this.#length === 0 || this.#tail === chunkLength) {
      this.#chunks.push(this.#newChunk());
      this.#tail = 0;
    }
    this.#chunks[this.#chunks.length - 1]![this.#tail++] = value;
    this.#length++;
  }

  /** The value `offset` behind the head; undefined past the end. */
  peek(offset = 0): number | undefined {
    if (offset >= this.#length) return undefined;
    const at = this.#head + offset;
    return this.#chunks[this.#firstChunk + Math.floor(at / chunkLength)]![at % chunkLength];
  }

  shift(): number | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#chunks[this.#firstChunk]![this.#head++]!;
    this.#length--;
    if (this.#head === chunkLength) {
      this.#chunks[this.#firstChunk++] = emptyChunk;
      this.#head = 0;
      if (this.#firstChunk > 64 && this.#firstChunk * 2 > this.#chunks.length) {
        this.#chunks = this.#chunks.slice(this.#firstChunk);
        this.#firstChunk = 0;
      }
    }
    return value;
  }

  clear(): void {
    this.#chunks = [];
    this.#firstChunk = this.#head = this.#tail = this.#length = 0;
  }
}

const emptyChunk = new Uint32Array(0);
