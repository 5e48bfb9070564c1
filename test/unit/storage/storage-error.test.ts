import test from 'ava';
import { NoSpaceError } from '../../../source/protocol/errors.js';
import { storageError } from '../../../source/storage/storage-error.js';

test('on a full disk another data node is advised for a block, and not for a backup or a file of the local cluster (faults 18, 19)', (t) => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const block = storageError(full, 'writing blk_1_1 in /data', 1);
  t.true(block instanceof NoSpaceError);
  t.is(block.message, 'writing blk_1_1 in /data: no space left on the disk; free some, or add a data node');
  const backup = storageError(full, 'writing /backup');
  t.true(backup instanceof NoSpaceError);
  t.is(backup.message, 'writing /backup: no space left on the disk; free some');
});
