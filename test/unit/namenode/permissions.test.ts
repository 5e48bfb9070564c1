import test from 'ava';
import { FileNotFoundError, PermissionDeniedError } from '../../../source/protocol/errors.js';
import { parseGroups, SystemGroupMapping } from '../../../source/namenode/group-mapping.js';
import { type Call, NamespaceHarness, TurnClock } from '../../helpers/namespace-harness.js';

/** As in the golden cases: /c belongs to alice:eng, with closed (700), open (1777) and secret (600). */
async function openCase() {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.mkdir('/c/closed');
  await harness.mkdir('/c/open');
  await harness.file('/c/closed/f', [1]);
  await harness.file('/c/open/mine', [1]);
  await harness.file('/c/secret', [1]);
  for (const path of ['/c', '/c/closed', '/c/closed/f', '/c/open', '/c/open/mine', '/c/secret']) await root('fs.setOwner', { path, owner: 'alice', group: 'eng' });
  await root('fs.setPermission', { path: '/c/closed', permission: 0o700 });
  await root('fs.setPermission', { path: '/c/open', permission: 0o1777 });
  await root('fs.setPermission', { path: '/c/secret', permission: 0o600 });
  return { harness, root, bob: harness.as('bob'), alice: harness.as('alice') };
}

const create = { permission: 0o644, overwrite: false, createParents: true };

test('each call is refused in HDFS\'s words where the caller may not', async (t) => {
  const { bob, harness } = await openCase();
  const before = harness.dump();
  const refused = async (call: Promise<unknown>, message: string) => {
    await t.throwsAsync(call, { instanceOf: PermissionDeniedError, message });
  };
  const wx = 'user=bob, access=WRITE, inode="/c":alice:eng:drwxr-xr-x';
  await refused(bob('fs.mkdirs', { path: '/c/new', permission: 0o755, createParents: false }), `Permission denied: ${wx}`);
  await refused(bob('fs.mkdirs', { path: '/c/a/b', permission: 0o755, createParents: true }), `Permission denied: ${wx}`);
  await refused(bob('fs.create', { ...create, path: '/c/new' }), `Permission denied: ${wx}`);
  await refused(bob('fs.delete', { path: '/c/secret', recursive: false }), `Permission denied: ${wx}`);
  await refused(bob('fs.delete', { path: '/c/closed', recursive: true }), `Permission denied: ${wx}`);
  await refused(bob('fs.rename', { source: '/c/secret', target: '/c/moved' }), `Permission denied: ${wx}`);
  await refused(bob('fs.getListing', { path: '/c/closed' }), 'Permission denied: user=bob, access=READ_EXECUTE, inode="/c/closed":alice:eng:drwx------');
  await refused(bob('fs.getContentSummary', { path: '/c' }), 'Permission denied: user=bob, access=READ_EXECUTE, inode="/c/closed":alice:eng:drwx------');
  await refused(bob('fs.getBlockLocations', { path: '/c/secret', offsetBytes: 0, lengthBytes: 1 }), 'Permission denied: user=bob, access=READ, inode="/c/secret":alice:eng:-rw-------');
  await refused(bob('fs.getBlockLocations', { path: '/c/closed/f', offsetBytes: 0, lengthBytes: 1 }), 'Permission denied: user=bob, access=EXECUTE, inode="/c/closed":alice:eng:drwx------');
  await refused(bob('fs.getFileInfo', { path: '/c/closed/none' }), 'Permission denied: user=bob, access=EXECUTE, inode="/c/closed":alice:eng:drwx------');
  await refused(bob('fs.setReplication', { path: '/c/secret', replication: 2 }), 'Permission denied: user=bob, access=WRITE, inode="/c/secret":alice:eng:-rw-------');
  await refused(bob('fs.setTimes', { path: '/c/secret', modificationTimeMs: 1 }), 'Permission denied: user=bob, access=WRITE, inode="/c/secret":alice:eng:-rw-------');
  await refused(bob('fs.setPermission', { path: '/c/secret', permission: 0o777 }), 'Permission denied. user=bob is not the owner of inode=/c/secret');
  await refused(bob('fs.setOwner', { path: '/c/secret', owner: 'bob' }), 'Permission denied. user=bob is not the owner of inode=/c/secret');
  await refused(bob('fs.checkAccess', { path: '/c/secret', actions: 'rw' }), 'Permission denied: user=bob, access=READ_WRITE, inode="/c/secret":alice:eng:-rw-------');
  await refused(bob('cluster.setSafeMode', { action: 'enter' }), 'Access denied for user bob. Superuser privilege is required for operation safemode_enter');
  t.deepEqual(harness.dump(), before);
});

test('a sticky directory keeps others\' entries from being removed or renamed', async (t) => {
  const { bob, alice, root } = await openCase();
  const message = 'Permission denied by sticky bit: user=bob, path="/c/open/mine":alice:eng:-rw-r--r--, parent="/c/open":alice:eng:drwxrwxrwt';
  await t.throwsAsync(bob('fs.delete', { path: '/c/open/mine', recursive: false }), { instanceOf: PermissionDeniedError, message });
  await t.throwsAsync(bob('fs.rename', { source: '/c/open/mine', target: '/c/open/x' }), { instanceOf: PermissionDeniedError, message });
  await bob('fs.mkdirs', { path: '/c/open/bobs', permission: 0o755, createParents: false });
  t.true(await bob('fs.delete', { path: '/c/open/bobs', recursive: false }));
  await root('fs.setPermission', { path: '/c/open', permission: 0o1776 });
  await t.throwsAsync(bob('fs.delete', { path: '/c/open/mine', recursive: false }), { message: 'Permission denied: user=bob, access=EXECUTE, inode="/c/open":alice:eng:drwxrwxrwT' });
  t.true(await alice('fs.delete', { path: '/c/open/mine', recursive: false }));
});

test('the owner\'s bits decide for the owner, even where others may more', async (t) => {
  const { alice, root, bob } = await openCase();
  await root('fs.setPermission', { path: '/c/secret', permission: 0o066 });
  await t.throwsAsync(alice('fs.checkAccess', { path: '/c/secret', actions: 'r' }), { instanceOf: PermissionDeniedError });
  t.is(await bob('fs.checkAccess', { path: '/c/secret', actions: 'rw' }), null);
});

test('the superuser and members of the supergroup are refused nothing', async (t) => {
  const { root, harness } = await openCase();
  const carol = harness.as('carol');
  for (const call of [root, carol] satisfies Call[]) {
    t.is(await call('fs.checkAccess', { path: '/c/secret', actions: 'rwx' }), null);
    t.is((await call('fs.getListing', { path: '/c/closed' })).entries.length, 1);
  }
  t.is(await carol('fs.setOwner', { path: '/c/secret', owner: 'bob', group: 'whatever' }), null);
  t.true(await carol('fs.delete', { path: '/c/closed', recursive: true }));
});

test('an owner may give a file to a group of his own, and to nobody else', async (t) => {
  const { alice, root, harness } = await openCase();
  await t.throwsAsync(alice('fs.setOwner', { path: '/c/secret', group: 'wheel' }), { instanceOf: PermissionDeniedError, message: 'User alice does not belong to wheel' });
  await t.throwsAsync(alice('fs.setOwner', { path: '/c/secret', owner: 'bob' }), { message: 'User alice is not a super user (non-super user cannot change owner).' });
  await root('fs.setOwner', { path: '/c/secret', group: 'wheel' });
  t.is(await alice('fs.setOwner', { path: '/c/secret', group: 'eng' }), null);
  t.is((await root('fs.getFileInfo', { path: '/c/secret' }))?.group, 'eng');
  await t.throwsAsync(harness.root('fs.setOwner', { path: '/c/none', owner: 'x' }), { instanceOf: FileNotFoundError, message: 'File does not exist: /c/none' });
});

test('deleting a directory needs all rights on each directory below that holds something', async (t) => {
  const { root, alice, harness } = await openCase();
  await harness.mkdir('/c/open/sub/full', { permission: 0o777 });
  await harness.mkdir('/c/open/sub/empty', { permission: 0o700 });
  await harness.file('/c/open/sub/full/x');
  for (const path of ['/c/open/sub', '/c/open/sub/full', '/c/open/sub/empty']) await root('fs.setOwner', { path, owner: 'dave', group: 'staff' });
  await root('fs.setPermission', { path: '/c/open/sub', permission: 0o777 });
  await root('fs.setPermission', { path: '/c/open/sub/full', permission: 0o755 });
  await t.throwsAsync(alice('fs.delete', { path: '/c/open/sub', recursive: true }), { message: 'Permission denied: user=alice, access=ALL, inode="/c/open/sub/full":dave:staff:drwxr-xr-x' });
  await root('fs.setPermission', { path: '/c/open/sub/full', permission: 0o777 });
  t.true(await alice('fs.delete', { path: '/c/open/sub', recursive: true }));
});

test('a change of a directory\'s rights counts for the next call', async (t) => {
  const { bob, root } = await openCase();
  const look = () => bob('fs.getFileInfo', { path: '/c/open/mine' });
  t.truthy(await look());
  await root('fs.setPermission', { path: '/c', permission: 0o700 });
  await t.throwsAsync(look(), { message: 'Permission denied: user=bob, access=EXECUTE, inode="/c":alice:eng:drwx------' });
  await root('fs.setOwner', { path: '/c', owner: 'bob' });
  t.truthy(await look());
});

test('groups come from the machine\'s files, the primary one first, and are read again after a while', (t) => {
  const files: Record<string, string> = {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\nbroken\n',
    '/etc/group': 'root:x:0:\nann:x:1000:\nstaff:x:50:ann, ben\nempty\n',
  };
  let reads = 0;
  const clock = new TurnClock();
  const mapping = new SystemGroupMapping(clock, { refreshMs: 1000, readFile: (file) => (reads++, files[file]!) });
  t.deepEqual(mapping.groupsOf('ann'), ['ann', 'staff']);
  t.deepEqual(mapping.groupsOf('ben'), ['staff']);
  t.deepEqual(mapping.groupsOf('nobody'), []);
  t.is(reads, 2);
  files['/etc/group'] += 'eng:x:51:ben\n';
  clock.advance(1000);
  t.deepEqual(mapping.groupsOf('ben'), ['staff', 'eng']);
  t.deepEqual(parseGroups('', ''), new Map());
  t.deepEqual(new SystemGroupMapping(clock, { readFile: () => { throw new Error('no such file'); } }).groupsOf('ann'), []);
});
