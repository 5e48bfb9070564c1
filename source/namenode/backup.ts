import type { Clock } from '../base/clock.js';
import { assert } from '../base/assert.js';
import { StorageDamagedError } from '../protocol/errors.js';
import type { KeyValueReader, KeyValueTransaction } from '../storage/key-value-store.js';
import { type Counters, decodeCounters, encodeCounters } from './counters.js';
import { readFormat } from './name-space-format.js';
import { countersKey, restorationKey } from './keys.js';
import { decodeRestoration, encodeRestoration, type Restoration } from './restoration.js';

/** What a person is told of a name space, of a backup say. */
export interface NameSpaceSummary {
  readonly clusterId: string;
  readonly lastEditId: number;
  readonly fileCount: number;
  readonly directoryCount: number;
}

/** VersionMismatchError, StorageDamagedError: there is no name space that this program could take. */
export function summarizeNameSpace(store: KeyValueReader): NameSpaceSummary {
  const format = readFormat(store);
  const record = format && store.get(countersKey);
  if (!record) throw new StorageDamagedError('the store holds no name space: there is nothing to back up');
  const { lastEditId, fileCount, directoryCount } = decodeCounters(record);
  return { clusterId: format.clusterId, lastEditId, fileCount, directoryCount };
}

const gapBehindBackup = 2 ** 40;
const gapBehindReplaced = 2 ** 20;
const idsPerSecond = 2 ** 21;
const maxId = 2 ** 53 - 2 ** 45;

/**
 * What a restored name space needs before it is used: ids and generation stamps behind all that were given out after the backup, which data
 * nodes may hold (promises.md, P9). So they jump ahead: by 2^40; beyond those of the store that was replaced, if that can be read; and to
 * the wall clock's seconds times two million, more than are ever given in a second, so that a backup that is restored twice gives
 * different ids even where the store in between is lost.
 */
export function finishRestoration(transaction: KeyValueTransaction, { clock, replaced }: { clock: Clock; replaced: Counters | undefined }): Restoration {
  readFormat(transaction);
  const record = transaction.get(countersKey);
  if (!record) throw new StorageDamagedError('the backup holds no name space');
  const counters = decodeCounters(record);
  const clockId = Math.floor(clock.nowMs() / 1000) * idsPerSecond;
  const next = (kind: 'lastInodeId' | 'lastBlockId' | 'lastGenerationStamp' | 'lastEditId') => {
    const ahead = Math.max(counters[kind] + gapBehindBackup, (replaced?.[kind] ?? 0) + gapBehindReplaced);
    const id = clockId > ahead && clockId < maxId ? clockId : ahead;
    assert(id < maxId, 'ids are left after a restoration');
    return id;
  };
  const after: Counters = {
    ...counters,
    lastInodeId: next('lastInodeId'),
    lastBlockId: next('lastBlockId'),
    lastGenerationStamp: next('lastGenerationStamp'),
    lastEditId: next('lastEditId'),
  };
  const before = transaction.get(restorationKey);
  const earlier = before ? decodeRestoration(before) : undefined;
  const restoration: Restoration = {
    timeMs: clock.nowMs(),
    backupEditId: counters.lastEditId,
    // Of several restorations the widest range of ids that may be unknown.
    lastKnownBlockId: Math.min(counters.lastBlockId, earlier?.lastKnownBlockId ?? counters.lastBlockId),
    firstNewBlockId: after.lastBlockId + 1,
  };
  transaction.put(countersKey, encodeCounters(after));
  transaction.put(restorationKey, encodeRestoration(restoration));
  return restoration;
}

/** The counters of a store that is to be replaced; undefined if it holds none that can be read. */
export function readCountersOf(store: KeyValueReader): Counters | undefined {
  const record = store.get(countersKey);
  return record && decodeCounters(record);
}
