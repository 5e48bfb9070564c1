import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const ranks: Record<string, number> = {
  base: 0,
  protocol: 1,
  storage: 2,
  transport: 2,
  namenode: 3,
  datanode: 3,
  client: 3,
  filesystem: 4,
  cluster: 4,
  commands: 5,
  shell: 6,
};
const topRank = 7;

/** Who alone may import a package. What is not named here may be imported by everybody. */
const owners: Record<string, RegExp> = {
  ink: /^shell\//,
  react: /^shell\//,
  chalk: /^shell\//,
  jayson: /^transport\//,
  'prom-client': /^transport\//,
  lmdb: /^storage\//,
  conf: /^settings\.ts$/,
};

interface Import {
  file: string;
  target: string;
  isTypeOnly: boolean;
}

const imports = sourceFiles().flatMap(readImports);

test('a folder imports lower ranks and itself, never a sibling or what is above it', (t) => {
  const broken = imports.filter(({ file, target }) => {
    if (!target.startsWith('.')) return false;
    const to = posix.normalize(posix.join(posix.dirname(file), target));
    return folder(to) !== folder(file) && rank(to) >= rank(file);
  });
  t.deepEqual(broken.map(describe), []);
  t.true(imports.length > 100, 'the imports were found at all');
});

test('each of the heavy packages is imported by the folder that owns it alone', (t) => {
  const packages = imports.filter(({ target }) => !target.startsWith('.') && !target.startsWith('node:'));
  const broken = packages.filter(({ file, target }) => {
    const owner = owners[packageName(target)];
    return owner && !owner.test(file);
  });
  t.deepEqual(broken.map(describe), []);
  for (const name of Object.keys(owners)) t.true(packages.some(({ target }) => packageName(target) === name), `${name} is used where it belongs`);
});

test('the clock and the random numbers of the system are touched in clock.ts and random.ts only', (t) => {
  const forbidden = /(?<!\.)\b(?:Date\.now|performance\.now|setTimeout|setInterval|Math\.random|randomUUID|randomBytes|randomInt)\s*\(|new Date\(\s*\)/;
  const broken = sourceFiles()
    .filter((file) => !['base/clock.ts', 'base/random.ts'].includes(file) && rank(file) < ranks['filesystem']!)
    // lmdb-check.ts holds the text of a program that a process of its own runs.
    .filter((file) => file !== 'storage/lmdb-check.ts')
    .filter((file) => forbidden.test(withoutComments(readFileSync(join(root, 'source', file), 'utf8'))));
  t.deepEqual(broken, []);
});

test('processes are started with a list of arguments, never through a shell (fault 65)', (t) => {
  const starters = sourceFiles().filter((file) => /node:child_process/.test(readFileSync(join(root, 'source', file), 'utf8')));
  t.true(starters.length > 0, 'the files that start processes were found at all');
  const broken = starters.filter((file) => /(?<![.\w])exec(?:Sync)?\s*\(|\bshell:\s*(?!false)|['"`](?:\/bin\/)?(?:ba)?sh['"`]/.test(withoutComments(readFileSync(join(root, 'source', file), 'utf8'))));
  t.deepEqual(broken, []);
});

function sourceFiles(): string[] {
  return readdirSync(join(root, 'source'), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /\.tsx?$/.test(file))
    .sort();
}

function readImports(file: string): Import[] {
  const text = withoutComments(readFileSync(join(root, 'source', file), 'utf8'));
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm)) found.push({ file, target: match[3]!, isTypeOnly: Boolean(match[2]) });
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)) found.push({ file, target: match[1]!, isTypeOnly: false });
  return found;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function folder(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
}

function rank(file: string): number {
  return folder(file) === '' ? topRank - (file.startsWith('..') ? topRank : 0) : (ranks[folder(file)] ?? Number.NaN);
}

function packageName(target: string): string {
  return target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/');
}

function describe({ file, target }: Import): string {
  return `${file} imports ${target}`;
}

function findRoot(from: string): string {
  for (let at = from; ; at = resolve(at, '..')) {
    if (readdirSync(at).includes('package.json') && readdirSync(at).includes('source')) return at;
    if (relative('/', at) === '') throw new Error('no package.json with a source folder above the test');
  }
}
