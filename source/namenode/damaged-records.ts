import { decodeText } from '../storage/key-encoding.js';
import type { Entry, Key, KeyValueReader, RangeOptions } from '../storage/key-value-store.js';
import { DamagedRecordError } from '../storage/record.js';
import { callOf, idOf, nameOfEntry, placeOfBlock } from './keys.js';

/** What a key names, for a person: `block 0 of inode 16386`. A key that is damaged itself is shown as it is. */
export function describeKey(key: Key): string {
  try {
    switch (key[0]) {
      case 'A':
        return `the administration of data node ${decodeText(key, 1)}`;
      case 'P':
        return 'the restoration';
      case 'B': {
        const { inodeId, blockIndex } = placeOfBlock(key);
        return `block ${blockIndex} of inode ${inodeId}`;
      }
      case 'C':
        return 'the counters';
      case 'D':
        return `deletion ${idOf(key)}`;
      case 'E':
        return `the entry ${JSON.stringify(nameOfEntry(key))} of directory ${idOf(key)}`;
      case 'F':
        return 'the format';
      case 'I':
        return `inode ${idOf(key)}`;
      case 'L':
        return `edit ${idOf(key)}`;
      case 'R': {
        const { clientId, callId } = callOf(key);
        return `call ${callId} of client ${clientId}`;
      }
      case 'U':
        return `the lease of inode ${idOf(key)}`;
      case 'n':
        return key === 'n' ? 'the registrations of data nodes' : `the registration of data node ${decodeText(key, 1)}`;
    }
  } catch {
    // Below.
  }
  return `key ${JSON.stringify(key)}`;
}

/** What is damaged, and what it was found by, for a person. */
export function describeDamage(error: DamagedRecordError): string {
  return `${describeKey(error.key)}: ${error.message}`;
}

/** A record that others say is there, and is not. */
export function missingRecord(key: Key): DamagedRecordError {
  return new DamagedRecordError(key, `the record of ${describeKey(key)} is missing from the name node's store`);
}

/** The range, forwards, without the records that fail their checksums, each of which `onDamage` is told; they do not count for `limit`. */
export function* readableEntries(store: KeyValueReader, range: RangeOptions, onDamage: (error: DamagedRecordError) => void): Generator<Entry> {
  const { end } = range;
  let { start, limit = Infinity } = range;
  for (;;) {
    try {
      for (const entry of store.range({ start, end, ...(limit < Infinity && { limit }) })) {
        start = `${entry[0]}\0`;
        yield entry;
        if (--limit <= 0) return;
      }
      return;
    } catch (error) {
      if (!(error instanceof DamagedRecordError) || error.key < start) throw error;
      onDamage(error);
      start = `${error.key}\0`;
    }
  }
}
