/** How many of the last events are kept for a failure's report. */
const keptEvents = 2000;

type Detail = string | number | undefined;

interface Entry {
  timeMs: number;
  kind: string;
  details: Detail[];
}

/**
 * Everything that happens in a simulation, in order, folded into 64 bits: two runs with one hash did the same. Of the events themselves
 * only the last ones are kept, and they become text when somebody wants to read them.
 */
export class Trace {
  readonly #kept: Entry[] = [];
  #next = 0;
  #low = 0x811c9dc5;
  #high = 0xcbf29ce4;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  note(timeMs: number, kind: string, ...details: Detail[]): void {
    this.#count++;
    this.#fold(timeMs * 1024);
    this.#foldText(kind);
    for (const detail of details) {
      if (typeof detail === 'string') this.#foldText(detail);
      else this.#fold(detail ?? -1);
    }
    const entry = { timeMs, kind, details };
    if (this.#kept.length < keptEvents) this.#kept.push(entry);
    else this.#kept[this.#next] = entry;
    this.#next = (this.#next + 1) % keptEvents;
  }

  /** 16 hex digits. */
  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }

  /** The kept events, oldest first, a line each. */
  lines(): string[] {
    const entries = [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
    return entries.map(({ timeMs, kind, details }) => `${(timeMs / 1000).toFixed(4).padStart(10)}  ${kind.padEnd(14)} ${details.filter((detail) => detail !== undefined).join(' ')}`);
  }

  #fold(value: number): void {
    const word = value | 0;
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (word + (this.#low >>> 15)), 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
  }

  #foldText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#low = Math.imul(this.#low ^ text.charCodeAt(i), 0x01000193);
    this.#fold(text.length);
  }
}

/** Folds the hashes of several runs into one. */
export function foldHashes(hashes: readonly string[]): string {
  if (hashes.length === 1) return hashes[0]!;
  const trace = new Trace();
  for (const hash of hashes) trace.note(0, hash);
  return trace.hash;
}
