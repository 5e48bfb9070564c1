/** Until when something was wrong with each host, as far as the simulation has done it. */
export class Troubles {
  readonly #nowMs: () => number;
  readonly #untilMs = new Map<string, number>();
  /** Of what has no end that is known before: how many such things there are now. */
  readonly #lasting = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Something happened to it, and lasts for so long. */
  note(host: string, durationMs = 0): void {
    this.#untilMs.set(host, Math.max(this.#untilMs.get(host) ?? -Infinity, this.#nowMs() + durationMs));
  }

  begin(host: string): void {
    this.#lasting.set(host, (this.#lasting.get(host) ?? 0) + 1);
  }

  end(host: string): void {
    this.#lasting.set(host, this.#lasting.get(host)! - 1);
    this.note(host);
  }

  wasNone(host: string, sinceMs: number): boolean {
    return (this.#lasting.get(host) ?? 0) === 0 && (this.#untilMs.get(host) ?? -Infinity) < sinceMs;
  }
}
