import type { ReplicaLocation } from '../protocol/block.js';
import { InvalidArgumentError } from '../protocol/errors.js';

/**
 * Whom this node may dial for a client. A client says whom its pipeline goes on to, and could say any address: only those of the
 * cluster's data nodes are taken. What was learnt once stays; an unknown address makes the name node be asked anew.
 */
export class PeerAddresses {
  readonly #fetch: (() => Promise<string[]>) | undefined;
  readonly #known = new Set<string>();
  #asking: Promise<void> | undefined;

  /** `fetch`: the addresses of all data nodes that ever registered; undefined where every address may be dialled. */
  constructor(fetch: (() => Promise<string[]>) | undefined) {
    this.#fetch = fetch;
  }

  /** InvalidArgumentError if it is no data node of the cluster; the name node's errors where that cannot be found out. */
  async check({ address }: Pick<ReplicaLocation, 'address'>): Promise<void> {
    if (!this.#fetch || this.#known.has(address)) return;
    // One that asks already may have left before this node registered.
    await this.#asking?.catch(() => {});
    if (this.#known.has(address)) return;
    this.#asking ??= this.#refresh(this.#fetch).finally(() => (this.#asking = undefined));
    await this.#asking;
    if (!this.#known.has(address)) throw new InvalidArgumentError(`${address} is not the address of a data node of this cluster`);
  }

  async #refresh(fetch: () => Promise<string[]>): Promise<void> {
    for (const address of await fetch()) this.#known.add(address);
  }
}
