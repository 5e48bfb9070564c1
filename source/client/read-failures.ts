const keptFailures = 100;

/** The data nodes that one reader had to leave, each with its reasons: for telling the user. */
export class ReadFailures {
  readonly #seen = new Set<string>();
  /** In their order, each once, the first 100. */
  readonly list: { datanode: string; reason: string }[] = [];

  add(datanode: string, reason: string): void {
    const key = `${datanode} ${reason}`;
    if (this.#seen.has(key) || this.list.length >= keptFailures) return;
    this.#seen.add(key);
    this.list.push({ datanode, reason });
  }
}
