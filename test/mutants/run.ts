import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, planted } from './mutant.js';
import { mutants } from './mutants.js';

/**
 * Plants each bug of mutants.ts, one at a time, in a copy of the source, and runs the tests that must catch it.
 * usage: npm run mutants [-- --only TEXT] [--list]
 * Ends with `N of N planted bugs caught`; exit code 1 if one was not, or if the tests fail without any.
 */
const { values: options } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean' } } });
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const chosen = mutants.filter(({ name, of }) => !options.only || `${name} ${of}`.includes(options.only));

if (options.list) for (const { name, of } of chosen) console.log(`${name}  (${of})`);
else process.exitCode = runAll(chosen) ? 0 : 1;

function runAll(all: readonly Mutant[]): boolean {
  const copy = mkdtempSync(join(tmpdir(), 'dfsh-mutants-'));
  try {
    for (const name of ['source', 'test', 'package.json', 'tsconfig.json', 'config.json']) cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    compile(copy);
    const verdicts = new Map<string, string>();
    const sound = all.filter((mutant) => {
      const key = JSON.stringify([mutant.caughtBy, mutant.environment]);
      const verdict = verdicts.get(key) ?? runTests(copy, mutant);
      verdicts.set(key, verdict);
      if (verdict !== 'passed') console.log(`BROKEN  ${mutant.name}: its tests do not pass without it: ${verdict}`);
      return verdict === 'passed';
    });
    const caught = sound.filter((mutant) => isCaught(copy, mutant));
    console.log(`${caught.length} of ${all.length} planted bugs caught`);
    return caught.length === all.length && all.length > 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isCaught(copy: string, mutant: Mutant): boolean {
  const path = join(copy, mutant.file);
  const before = readFileSync(path, 'utf8');
  try {
    writeFileSync(path, planted(before, mutant));
    compile(copy);
    const verdict = runTests(copy, mutant);
    console.log(verdict === 'passed' ? `MISSED  ${mutant.name} (${mutant.of})` : `caught  ${mutant.name} (${mutant.of}): ${verdict}`);
    return verdict !== 'passed';
  } finally {
    writeFileSync(path, before);
  }
}

/** A mutant must still be a program: one that does not compile proves nothing. */
function compile(copy: string): void {
  const result = spawnSync(process.execPath, [compiler, '--project', 'tsconfig.json'], { cwd: copy, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`does not compile:\n${result.stdout}${result.stderr}`);
}

/** 'passed', or the title of the first test that failed. */
function runTests(copy: string, { caughtBy, environment }: Mutant): string {
  const result = spawnSync(process.execPath, [join('test', 'run.mjs'), ...caughtBy.map((file) => `dist/test/${file}`)], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return 'passed';
  return /^not ok \d+ - (.*)$/m.exec(result.stdout)?.[1] ?? `the tests ended with ${result.status ?? result.signal}`;
}
