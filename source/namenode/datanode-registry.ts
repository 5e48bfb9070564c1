import type { Random } from '../base/random.js';
import { NoSpaceError } from '../protocol/errors.js';
import { encodeText, prefixRange } from '../storage/key-encoding.js';
import type { KeyValueReader, KeyValueStore, KeyValueTransaction } from '../storage/key-value-store.js';

/**
 * Which data nodes belong to the cluster, durably: so that dn2 is dn2 after any restart.
 *
 *   'n'          {"epoch": last epoch given}
 *   'n' uuid     {"number": N of dnN, "address": "host:port" of its last registration}
 */
const prefix = 'n';

interface StoredRecord {
  readonly number: number;
  readonly address: string;
}

export interface DatanodeRecord extends StoredRecord {
  readonly uuid: string;
}

export interface Binding {
  readonly record: DatanodeRecord;
  readonly epoch: number;
  readonly isNew: boolean;
  /** Another data node that had this address, and so is gone: its name went to the new one. */
  readonly replacedUuid: string | undefined;
}

/** Epochs that could not be stored are above all that ever are. */
const firstUnstoredEpoch = 2 ** 48;

export class DatanodeRegistry {
  readonly #store: KeyValueStore;
  readonly #random: Random;
  readonly #configured: readonly string[];
  #lastUnstoredEpoch: number | undefined;

  /** `configuredAddresses`: config.json's data nodes, host:port, in order: the first is dn1. */
  constructor(store: KeyValueStore, random: Random, configuredAddresses: readonly string[]) {
    this.#store = store;
    this.#random = random;
    this.#configured = configuredAddresses.map(canonicalAddress);
  }

  records(): DatanodeRecord[] {
    return readRecords(this.#store);
  }

  /**
   * A new epoch for a node at its address. One that is new gets its number: that of its place in the configuration, unless it is taken;
   * else the next behind all configured and all given ones. An address has one node: a new one there takes the name of the old one.
   * Where the disk has no room even for an epoch, a node that is where it was is taken back all the same: reads are to go on.
   */
  async bind(uuid: string, address: string): Promise<Binding> {
    try {
      return await this.#bindDurably(uuid, address);
    } catch (error) {
      const record = this.records().find((each) => each.uuid === uuid && each.address === address);
      if (!(error instanceof NoSpaceError) || !record) throw error;
      // From somewhere else in each life of the name node: what was said in the life before is not taken for this one's.
      this.#lastUnstoredEpoch = (this.#lastUnstoredEpoch ?? firstUnstoredEpoch + this.#random.integer(2 ** 47)) + 1;
      return { record, epoch: this.#lastUnstoredEpoch, isNew: false, replacedUuid: undefined };
    }
  }

  #bindDurably(uuid: string, address: string): Promise<Binding> {
    return this.#store.transact((transaction) => {
      const epoch = lastEpoch(transaction) + 1;
      put(transaction, prefix, { epoch });
      const value = transaction.get(keyOf(uuid));
      if (value) {
        const { number, address: before } = parse(value) as StoredRecord;
        if (before === address) return { record: { uuid, number, address }, epoch, isNew: false, replacedUuid: undefined };
      }
      const records = readRecords(transaction);
      const known = records.find((record) => record.uuid === uuid);
      const replaced = records.find((record) => record.uuid !== uuid && canonicalAddress(record.address) === canonicalAddress(address));
      if (replaced) transaction.delete(keyOf(replaced.uuid));
      const number = known?.number ?? replaced?.number ?? this.#nextNumber(address, records);
      const record = { uuid, number, address };
      put(transaction, keyOf(uuid), { number, address });
      return { record, epoch, isNew: !known && !replaced, replacedUuid: replaced?.uuid };
    }, { mayUseReserve: true });
  }

  #nextNumber(address: string, records: readonly DatanodeRecord[]): number {
    const place = this.#configured.indexOf(canonicalAddress(address)) + 1;
    if (place > 0 && !records.some((record) => record.number === place)) return place;
    return Math.max(this.#configured.length, ...records.map((record) => record.number)) + 1;
  }
}

function readRecords(reader: KeyValueReader): DatanodeRecord[] {
  const records: DatanodeRecord[] = [];
  for (const [key, value] of reader.range(prefixRange(prefix))) {
    if (key === prefix) continue;
    const { number, address } = parse(value) as StoredRecord;
    records.push({ uuid: Buffer.from(key.slice(prefix.length), 'latin1').toString('utf8'), number, address });
  }
  return records.sort((a, b) => a.number - b.number);
}

function lastEpoch(reader: KeyValueReader): number {
  const value = reader.get(prefix);
  return value === undefined ? 0 : (parse(value) as { epoch: number }).epoch;
}

function keyOf(uuid: string): string {
  return prefix + encodeText(uuid);
}

function put(transaction: KeyValueTransaction, key: string, value: object): void {
  transaction.put(key, Buffer.from(JSON.stringify(value)));
}

function parse(value: Uint8Array): unknown {
  return JSON.parse(Buffer.from(value).toString('utf8'));
}

/** host:port, one spelling for this machine. */
export function canonicalAddress(address: string): string {
  return address.replace(/^(?:localhost|\[::1\]):/, '127.0.0.1:');
}
