import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const testFolder = join(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))), 'test');

/** The faults that the system is held to, by number. A test that proves one has its number at the end of its title: `(fault 12)`, `(faults 12, 13)`. */
const faults = [
  'a data node dies at a step of a write', 'the name node dies before, in or after a commit', 'a commit is done and its answer lost', 'a writer dies in the middle of a file',
  'kill -9 of any process', 'the power fails everywhere', 'a crash during recovery', 'a crash between two renames of a replica', 'a storm of restarts',
  'a torn end of a block', 'a checksum file that is short or missing', 'rot in the data', 'rot in the checksums', 'rot in a metadata record',
  'a truncated metadata file', 'a block under another one\'s name', 'old content with a valid checksum', 'a full disk of a data node', 'a full disk of the name node',
  'EIO on a read', 'EIO on an fsync', 'a file system that turned read-only', 'a slow disk', 'no file descriptors left', 'one of several volumes dies', 'all replicas rotten',
  'a client cut from a data node', 'a data node cut from the name node', 'a data node cut from a data node', 'a partition in one direction', 'a call that comes twice',
  'a call that comes late', 'a connection reset in the middle', 'one byte a second', 'a byte flipped on its way',
  'an old block report', 'an old replica that returns', 'a file deleted while a node was away', 'two nodes with one id', 'a directory opened twice, or cloned',
  'another cluster\'s id', 'an empty directory under a known id', 'an empty first block report', 'a storm of reports', 'a lease that ends with its writer alive',
  'two recoveries of one lease', 'a rename during a write', 'a delete during a read', 'a delete against an added block', 'renames that would make a cycle, or a mess',
  'too many replicas', 'a decommission with open blocks', 'a clock a year off', 'a process that stands still for a while', 'very many files',
  'hostile names', 'malformed calls', '__proto__', 'deeply nested JSON', 'a huge batch', 'oversize and smuggled requests', 'slow loris', 'a newline in a name',
  'escape sequences in names and errors', 'shell metacharacters', 'names that climb out', 'an address chosen by a client', 'browsers of other sites', 'a glob bomb',
];

test('each fault that the system is held to has a test that says so', (t) => {
  t.is(faults.length, 69);
  const files = readdirSync(testFolder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name));
  const proven = new Set<number>();
  for (const name of files) {
    for (const [, numbers] of readFileSync(join(testFolder, name), 'utf8').matchAll(/\(faults? (\d[\d, and]*)/g)) {
      for (const [number] of numbers!.matchAll(/\d+/g)) proven.add(Number(number));
    }
  }
  t.deepEqual(faults.filter((_, index) => !proven.has(index + 1)), []);
  t.deepEqual([...proven].filter((number) => number < 1 || number > faults.length), [], 'numbers that mean nothing');
});
