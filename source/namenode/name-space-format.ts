import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { StorageDamagedError, VersionMismatchError } from '../protocol/errors.js';
import { wholeRange } from '../storage/key-encoding.js';
import type { KeyValueReader, KeyValueStore } from '../storage/key-value-store.js';
import { applyEdit } from './apply-edit.js';
import { decodeFormat, encodeFormat, type Format, formatVersion, isKnownVersion, oldestFormatVersion } from './format.js';
import { formatKey } from './keys.js';

/** The cluster id of the name space in `store`, as readFormat. */
export function readClusterId(store: KeyValueReader): string | undefined {
  return readFormat(store)?.clusterId;
}

/**
 * What the name space in `store` is; undefined if the store is empty. VersionMismatchError names both versions;
 * StorageDamagedError: the store holds something that is no name space. Nothing is touched.
 */
export function readFormat(store: KeyValueReader): Format | undefined {
  const record = store.get(formatKey);
  if (!record) {
    for (const _ of store.range({ ...wholeRange, limit: 1 })) {
      throw new StorageDamagedError('the store holds records but no name space; it is left as it is: is this the data directory of something else?');
    }
    return undefined;
  }
  const format = decodeFormat(record);
  if (!format) throw new StorageDamagedError('the store does not begin as a name space does; it is left as it is');
  if (!isKnownVersion(format.version)) {
    throw new VersionMismatchError(
      `the name space has format version ${format.version}, and this program knows versions ${oldestFormatVersion} to ${formatVersion}; it is left as it is: use the release that wrote it, or a newer one`,
    );
  }
  return format;
}

/**
 * Brings a name space of an older version to this program's, in one transaction: a crash leaves the one or the other, and both start.
 * Answers the version that it had, undefined if there was nothing to do.
 */
export async function upgradeNameSpace(store: KeyValueStore): Promise<number | undefined> {
  if (readFormat(store)?.version === formatVersion) return undefined;
  return store.transact((transaction) => {
    const format = readFormat(transaction);
    if (!format || format.version === formatVersion) return undefined;
    transaction.put(formatKey, encodeFormat({ ...format, version: formatVersion }));
    return format.version;
  });
}

/**
 * Makes the root and a cluster id in an empty store, durably. One that holds a name space is never formatted again.
 * The root belongs to `superuser`, its group is `supergroup`, its mode 755.
 */
export async function formatNameSpace(store: KeyValueStore, parts: { clock: Clock; random: Random; superuser: string; supergroup: string }): Promise<string> {
  const { clock, random, superuser, supergroup } = parts;
  const clusterId = `CID-${random.id()}`;
  const timeMs = clock.nowMs();
  await store.transact((transaction) => {
    const existing = readClusterId(transaction);
    if (existing !== undefined) throw new StorageDamagedError(`the store holds the name space of cluster ${existing} already; it is not formatted again`);
    applyEdit(transaction, { editId: 1, timeMs, call: undefined, op: { kind: 'format', clusterId, owner: superuser, group: supergroup, permission: 0o755 } });
  });
  return clusterId;
}
