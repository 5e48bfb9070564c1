import test from 'ava';
import type { FileSystem } from '../../../source/filesystem/file-system.js';
import { expandGlob } from '../../../source/filesystem/glob.js';
import { InvalidPathError, PermissionDeniedError } from '../../../source/protocol/errors.js';
import { TreeFileSystem } from '../../helpers/tree-file-system.js';

const tree = () =>
  new TreeFileSystem({
    '/a/x.txt': 'x',
    '/a/y.csv': 'y',
    '/a-b/x.txt': 'x',
    '/b/deep/x.txt': 'x',
    '/b/deep/[z]': 'z',
    '/file': 'f',
    '/names/～': '',
    '/names/😀': '',
    '/names/a': '',
  });

async function expand(fileSystem: FileSystem, pattern: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of expandGlob(fileSystem, pattern)) found.push(path);
  return found;
}

for (const [pattern, paths] of [
  ['/a/*', ['/a/x.txt', '/a/y.csv']],
  ['/*/x.txt', ['/a-b/x.txt', '/a/x.txt']],
  ['/{b,a}/**', ['/a/x.txt', '/a/y.csv', '/b/deep']],
  ['/{a/x,b/deep/x}.txt', ['/a/x.txt', '/b/deep/x.txt']],
  ['/{a,a,*}/x.txt', ['/a-b/x.txt', '/a/x.txt']],
  ['/b/*/\\[z\\]', ['/b/deep/[z]']],
  ['/file/*', []],
  ['/file*/x', []],
  ['/none/*', []],
  ['/{a,none}', ['/a']],
  ['/?', ['/a', '/b']],
  ['/*', ['/a', '/a-b', '/b', '/file', '/names']],
  ['/names/*', ['/names/a', '/names/😀', '/names/～']],
  ['/a/{../b/deep/x.txt,x.txt}', ['/a/x.txt', '/b/deep/x.txt']],
  ['/[!a]*/deep', ['/b/deep']],
] as const) {
  test(`${pattern} finds ${paths.length === 0 ? 'nothing' : paths.join(' ')}`, async (t) => {
    t.deepEqual(await expand(tree(), pattern), [...paths]);
  });
}

test('components without a glob are followed by name, never listed', async (t) => {
  const fileSystem = tree();
  await expand(fileSystem, '/b/deep/*.txt');
  t.deepEqual(fileSystem.listed, ['/b/deep']);
});

test('one listing serves all alternatives of a directory', async (t) => {
  const fileSystem = tree();
  await expand(fileSystem, '/a/{x*,y*,z}');
  t.deepEqual(fileSystem.listed, ['/a']);
});

test('a malformed pattern is refused', async (t) => {
  await t.throwsAsync(expand(tree(), '/a/[x'), { instanceOf: InvalidPathError });
});

test('a directory that may not be listed is an error, not a lack of matches', async (t) => {
  const fileSystem = tree();
  fileSystem.fail('list', '/a', new PermissionDeniedError('Permission denied: user=bob'));
  await t.throwsAsync(expand(fileSystem, '/a/*'), { instanceOf: PermissionDeniedError });
});
