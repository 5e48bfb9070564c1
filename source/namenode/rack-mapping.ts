import type { Logger } from '../base/log.js';
import { canonicalAddress } from './datanode-registry.js';

export const defaultRack = '/default-rack';

/** Which rack a machine stands on (Hadoop: DNSToSwitchMapping). What is not known is on the default rack. */
export interface RackMapping {
  /** Of a data node, host:port. Never rejects; may take some seconds. */
  resolve(address: string): Promise<string>;
  /** What is known already of a data node or of a client's machine. */
  known(address: string): string;
}

/** A rack is a path: `/rack1`, `/east/rack1`. */
export function isRack(rack: string): boolean {
  return rack.length <= 255 && /^(\/[\w.:-]+)+$/.test(rack);
}

/** As the configuration says: by host:port, or by host for all nodes there. */
export class ConfiguredRacks implements RackMapping {
  readonly #racks: ReadonlyMap<string, string>;

  constructor(racks: Readonly<Record<string, string>> = {}) {
    this.#racks = new Map(Object.entries(racks).map(([address, rack]) => [spelled(address), rack]));
  }

  async resolve(address: string): Promise<string> {
    return this.known(address);
  }

  known(address: string): string {
    const whole = spelled(address);
    return this.#racks.get(whole) ?? this.#racks.get(hostOf(whole)) ?? defaultRack;
  }
}

/** Runs a program without a shell, and resolves to what it printed; rejects if it fails or takes too long. */
export type RunProgram = (program: string, parameters: readonly string[]) => Promise<string>;

const addressesPerRun = 100;
const maxKnown = 100_000;

/**
 * As a program says: it gets host:port of data nodes as arguments, and prints a rack for each, parted by blanks or newlines (Hadoop:
 * ScriptBasedMapping). What it answered is kept. Where it fails, or prints something else, nodes are on the default rack until they
 * register again; that is told, each failure once.
 */
export class ScriptedRacks implements RackMapping {
  readonly #program: string;
  readonly #run: RunProgram;
  readonly #logger: Logger;
  readonly #known = new Map<string, string>();
  #waiting: { address: string; settle: (rack: string) => void }[] = [];
  #isRunning = false;
  #told = '';

  constructor(parts: { program: string; run: RunProgram; logger: Logger }) {
    this.#program = parts.program;
    this.#run = parts.run;
    this.#logger = parts.logger;
  }

  known(address: string): string {
    return this.#known.get(spelled(address)) ?? defaultRack;
  }

  resolve(address: string): Promise<string> {
    const known = this.#known.get(spelled(address));
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((settle) => {
      this.#waiting.push({ address: spelled(address), settle });
      if (!this.#isRunning) void this.#work();
    });
  }

  /** One run at a time, for all that wait. */
  async #work(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, addressesPerRun);
      const racks = await this.#ask(batch.map(({ address }) => address));
      batch.forEach(({ settle }, index) => settle(racks[index]!));
    }
    this.#isRunning = false;
  }

  async #ask(addresses: readonly string[]): Promise<string[]> {
    let words: string[];
    try {
      words = (await this.#run(this.#program, addresses)).split(/\s+/).filter((word) => word !== '');
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error));
      return addresses.map(() => defaultRack);
    }
    if (words.length !== addresses.length) {
      this.#tell(`it printed ${words.length} racks for ${addresses.length} addresses`);
      return addresses.map(() => defaultRack);
    }
    return words.map((word, index) => {
      if (!isRack(word)) {
        this.#tell(`${JSON.stringify(word.slice(0, 100))} is no rack, such as /rack1`);
        return defaultRack;
      }
      if (this.#known.size < maxKnown) this.#known.set(addresses[index]!, word);
      return word;
    });
  }

  #tell(failure: string): void {
    if (failure === this.#told) return;
    this.#told = failure;
    this.#logger.warn(`rack_script ${this.#program}: ${failure}; its data nodes are on ${defaultRack} until they register again`);
  }
}

/**
 * How far two nodes are from each other (Hadoop: NetworkTopology.getDistance): 0 on one machine, else twice as many steps as it takes up to
 * the switch above both: 2 on one rack, 4 and more beyond.
 */
export function distanceBetween(a: { host: string; rack: string }, b: { host: string; rack: string }): number {
  if (a.host === b.host) return 0;
  if (a.rack === b.rack) return 2;
  const [first, second] = [a.rack.split('/'), b.rack.split('/')];
  let shared = 0;
  while (shared < first.length && first[shared] === second[shared]) shared++;
  return 2 + 2 * (Math.max(first.length, second.length) - shared);
}

function spelled(address: string): string {
  return canonicalAddress(address === 'localhost' ? '127.0.0.1' : address);
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '');
}
