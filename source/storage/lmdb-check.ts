import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { StorageDamagedError } from '../protocol/errors.js';
import { isFreeListWhole } from './lmdb-free-list.js';

/**
 * What the child runs. LMDB maps its file and trusts it: a truncated file ends the process with SIGBUS, a damaged page with SIGSEGV.
 * So a file that may be damaged is first read by a process that may die. It reads as long as the budget lasts, half from each end;
 * a file that is shorter than its last page is read wholly. Nothing is written. Text, since it must run alike from sources, from
 * compiled files and from a bundle.
 */
const program = `
const [lmdbUrl, directory, budgetMs] = process.argv.slice(1);
const { statSync } = await import('node:fs');
const { join } = await import('node:path');
const { crc32 } = await import('node:zlib');
const { open } = await import(lmdbUrl);
const db = open({ path: directory, noSubdir: false, readOnly: true, overlappingSync: false, keyEncoding: 'binary', encoding: 'binary' });
const { lastPageNumber, pageSize, entryCount } = db.getStats();
const isShort = statSync(join(directory, 'data.mdb')).size < (lastPageNumber + 1) * pageSize;
let records = 0;
let damaged = 0;
let firstDamaged = null;
const read = (options, limitMs) => {
  const endMs = performance.now() + limitMs;
  let count = 0;
  for (const { key, value } of db.getRange(options)) {
    records++;
    count++;
    if (value.length < 4 || crc32(value.subarray(4), crc32(key)) !== value.readUInt32BE(0)) {
      damaged++;
      firstDamaged ??= key.toString('latin1');
    }
    if (count > entryCount) throw new Error('its tree has a loop');
    if (count % 100 === 0 && performance.now() > endMs) return;
  }
  // lmdb ends a range in silence where the system refuses it a page.
  if (count < entryCount) throw new Error('only ' + count + ' of its ' + entryCount + ' records can be read');
};
const first = Buffer.from([0]);
const last = Buffer.from([255]);
if (isShort) read({ start: first, end: last }, Infinity);
else {
  read({ start: first, end: last }, budgetMs / 2);
  read({ start: last, end: first, reverse: true }, budgetMs / 2);
}
process.stdout.write(JSON.stringify({ records, damaged, firstDamaged, isShort }));
process.exit(0);
`;

export interface CheckResult {
  /** How many were read. */
  records: number;
  /** How many of them failed their checksums. */
  damaged: number;
  /** The key of one of them. */
  firstDamaged: string | null;
  /** The file is shorter than its last page, and so was read wholly. */
  isShort: boolean;
}

/**
 * Reads the LMDB files in `directory` in a process of its own, for about `budgetMs`. StorageDamagedError if that process does not
 * come through; the files are as they were.
 */
export async function checkLmdbFiles(directory: string, budgetMs: number): Promise<CheckResult> {
  const { NODE_OPTIONS: _options, NODE_EXTRA_CA_CERTS: _certificates, ...environment } = process.env;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', import.meta.resolve('lmdb'), directory, String(budgetMs)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  });
  let output = '';
  let problem = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (problem = (problem + chunk).slice(-4000)));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  const damaged = (reason: string) => new StorageDamagedError(`the store in ${directory} is damaged (${reason}); its files were left as they are: restore a backup of it (dfsh namenode restore)`, { path: directory });
  if (code !== 0) throw damaged(signal ? `reading it ended with ${signal}` : (/^\w*Error: (.*)$/m.exec(problem)?.[1] ?? `reading it ended with code ${code}`));
  const result = JSON.parse(output) as CheckResult;
  if (result.isShort && !(await isFreeListWhole(join(directory, 'data.mdb')))) throw damaged('the end of its file, with its list of free pages, is cut off');
  return result;
}
