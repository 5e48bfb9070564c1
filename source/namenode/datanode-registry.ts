import type { Random } from '../base/random.js';
import { NoSpaceError } from '../protocol/errors.js';
import { encodeText, prefixRange } from '../storage/key-encoding.js';
import type { Key, KeyValueReader, KeyValueStore, KeyValueTransaction } from '../storage/key-value-store.js';
import { DamagedRecordError } from '../storage/record.js';
import { readableEntries } from './damaged-records.js';
import { textOf } from './keys.js';

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
  readonly #onDamage: (error: DamagedRecordError) => void;
  /** As last read or written. In memory: for when a record, or the disk, does not do what it should. */
  readonly #known = new Map<string, DatanodeRecord>();
  #lastUnstoredEpoch: number | undefined;

  /** `configuredAddresses`: config.json's data nodes, host:port, in order: the first is dn1. `onDamage` is told of records that cannot be read. */
  constructor(parts: { store: KeyValueStore; random: Random; configuredAddresses: readonly string[]; onDamage: (error: DamagedRecordError) => void }) {
    this.#store = parts.store;
    this.#random = parts.random;
    this.#configured = parts.configuredAddresses.map(canonicalAddress);
    this.#onDamage = parts.onDamage;
  }

  /** All that can be read. To be called before `bind`. */
  load(): DatanodeRecord[] {
    const records: DatanodeRecord[] = [];
    for (const [key, value] of readableEntries(this.#store, prefixRange(prefix), this.#onDamage)) if (key !== prefix) records.push(decodeDatanode(key, value));
    for (const record of records) this.#known.set(record.uuid, record);
    return records.sort((a, b) => a.number - b.number);
  }

  /**
   * A new epoch for a node at its address. One that is new gets its number: that of its place in the configuration, unless it is taken;
   * else the next behind all configured and all given ones. An address has one node: a new one there takes the name of the old one.
   * Where the disk has no room even for an epoch, a node that is where it was is taken back all the same: reads are to go on. So is any
   * node where records are damaged, for nothing is changed then; a number that cannot be read, or kept, is given for this life.
   * `check` is asked at the last moment before the change; what it throws leaves everything as it was.
   */
  async bind(uuid: string, address: string, check: () => void): Promise<Binding> {
    try {
      const binding = await this.#bindDurably(uuid, address, check);
      if (binding.replacedUuid !== undefined) this.#known.delete(binding.replacedUuid);
      this.#known.set(uuid, binding.record);
      return binding;
    } catch (error) {
      const known = this.#known.get(uuid);
      const record = error instanceof DamagedRecordError ? this.#standIn(uuid, address) : error instanceof NoSpaceError && known?.address === address ? known : undefined;
      if (!record) throw error;
      check();
      if (error instanceof DamagedRecordError) this.#onDamage(error);
      this.#known.set(uuid, record);
      // From somewhere else in each life of the name node: what was said in the life before is not taken for this one's.
      this.#lastUnstoredEpoch = (this.#lastUnstoredEpoch ?? firstUnstoredEpoch + this.#random.integer(2 ** 47)) + 1;
      return { record, epoch: this.#lastUnstoredEpoch, isNew: !known, replacedUuid: undefined };
    }
  }

  /** None where the address is another's: who is to go cannot be written down. */
  #standIn(uuid: string, address: string): DatanodeRecord | undefined {
    const records = [...this.#known.values()];
    if (records.some((other) => other.uuid !== uuid && canonicalAddress(other.address) === canonicalAddress(address))) return undefined;
    return { uuid, number: this.#known.get(uuid)?.number ?? this.#nextNumber(address, records), address };
  }

  #bindDurably(uuid: string, address: string, check: () => void): Promise<Binding> {
    return this.#store.transact((transaction) => {
      check();
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
  for (const [key, value] of reader.range(prefixRange(prefix))) if (key !== prefix) records.push(decodeDatanode(key, value));
  return records;
}

function decodeDatanode(key: Key, value: Uint8Array): DatanodeRecord {
  const { number, address } = parse(value) as StoredRecord;
  return { uuid: textOf(key), number, address };
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
