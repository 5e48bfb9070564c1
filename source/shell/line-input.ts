/** Lines typed for a command that reads its input (`put - /notes.txt`): handed over one by one, until the end or a cancel. */
export class LineInput implements AsyncIterable<Uint8Array> {
  readonly #onReading: (isReading: boolean) => void;
  readonly #lines: Uint8Array[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  /** `onReading` is told when a reader waits, and when it waits no more. */
  constructor(onReading: (isReading: boolean) => void) {
    this.#onReading = onReading;
  }

  push(line: string): void {
    this.#lines.push(Buffer.from(`${line}\n`));
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#onReading(true);
    try {
      for (;;) {
        const line = this.#lines.shift();
        if (line) yield line;
        else if (this.#isEnded) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#onReading(false);
    }
  }
}

/** Nothing to read. */
export async function* emptyInput(): AsyncIterable<Uint8Array> {}
