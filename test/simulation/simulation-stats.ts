/** What happened in a run, by name. A run in which something that should happen never did proves nothing. */
export class SimulationStats {
  readonly faults = new Map<string, number>();
  /** What administrators have done; no faults. */
  readonly operations = new Map<string, number>();
  readonly counts = new Map<string, number>();

  fault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  operation(kind: string): void {
    this.operations.set(kind, (this.operations.get(kind) ?? 0) + 1);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  get faultCount(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0);
  }
}
