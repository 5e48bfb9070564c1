import test from 'ava';
import { DirectoryCache } from '../../../source/namenode/directory-cache.js';
import { entryKey } from '../../../source/namenode/keys.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { NamespaceHarness } from '../../helpers/namespace-harness.js';

const directory = (id: number) => ({ id, owner: 'o', group: 'g', permission: 0o755 });

test('a suspended place is neither answered nor taken until everyone has resumed it', (t) => {
  const cache = new DirectoryCache();
  cache.put(1, 'a', directory(2));
  t.is(cache.get(1, 'a')?.id, 2);
  const key = entryKey(1, 'a');
  cache.suspend(key);
  cache.suspend(key);
  cache.put(1, 'a', directory(2));
  t.is(cache.get(1, 'a'), undefined);
  cache.resume(key);
  cache.put(1, 'a', directory(2));
  t.is(cache.get(1, 'a'), undefined);
  cache.resume(key);
  t.is(cache.get(1, 'a'), undefined);
  cache.put(1, 'a', directory(3));
  t.is(cache.get(1, 'a')?.id, 3);
});

test('the cache holds two generations, and what is used survives', (t) => {
  const cache = new DirectoryCache(10);
  cache.put(1, 'used', directory(1));
  for (let i = 0; i < 100; i++) {
    cache.put(2, String(i), directory(i));
    cache.get(1, 'used');
  }
  t.is(cache.get(1, 'used')?.id, 1);
  t.is(cache.get(2, '0'), undefined);
  t.is(cache.get(2, '99')?.id, 99);
});

test('a stat between a rename and its commit does not bring the old directory back', async (t) => {
  let release: (() => void) | undefined;
  let isSlow = false;
  const store = new MemoryStore({ commitDelay: () => (isSlow ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve()) });
  const harness = await NamespaceHarness.open({ store });
  const { root } = harness;
  await harness.file('/a/x', [1]);
  await root('fs.getFileInfo', { path: '/a/x' });
  isSlow = true;
  const renamed = root('fs.rename', { source: '/a', target: '/b' });
  while (!release) await new Promise((resolve) => setImmediate(resolve));
  // The rename is applied, and not durable: a read still sees the old name, and must leave no trace of it.
  t.truthy(await root('fs.getFileInfo', { path: '/a/x' }));
  const made = root('fs.create', { path: '/a/y', permission: 0o644, overwrite: false, createParents: true });
  isSlow = false;
  release();
  await Promise.all([renamed, made]);
  t.is(await root('fs.getFileInfo', { path: '/b/y' }), null);
  t.truthy(await root('fs.getFileInfo', { path: '/a/y' }));
  t.truthy(await root('fs.getFileInfo', { path: '/b/x' }));
  t.is(await root('fs.getFileInfo', { path: '/a/x' }), null);
});
