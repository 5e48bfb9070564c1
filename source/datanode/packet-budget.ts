/**
 * Bytes of packets that all operations of a node together may hold in memory. An operation that holds nothing may always take one packet
 * more, so that each goes on by itself whatever the others do: two nodes that write to each other cannot wait for each other for ever.
 */
export class PacketBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.#limitBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
