// Runs every test of dist/test and ends with `N passed, N failed`. Prints what failed in full, and little else.
// usage: node test/run.mjs [ava's arguments: file patterns, --match ...]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ava = join(dirname(createRequire(import.meta.url).resolve('ava')), 'cli.mjs');
// Everything that the tests make lies below one folder, and nothing may be left of it.
const scratch = mkdtempSync(join(tmpdir(), 'dfsh-test-'));
const environment = { ...process.env, TMPDIR: scratch, DFSH_HOME: join(scratch, 'home'), TZ: 'UTC', FORCE_COLOR: '0', NO_COLOR: '' };
for (const name of ['DFSH_CONFIG', 'NODE_EXTRA_CA_CERTS', 'FORCE_COLOR', 'NO_COLOR']) delete environment[name];

const child = spawn(process.execPath, [ava, '--tap', ...process.argv.slice(2)], { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
let [passed, failed, skipped, isInFailure] = [0, 0, 0, false];
const startMs = Date.now();
for await (const line of createInterface({ input: child.stdout })) {
  const result = /^(not )?ok \d+ - (.*)$/.exec(line);
  if (result) {
    isInFailure = Boolean(result[1]);
    if (/# (SKIP|TODO)/.test(line)) skipped++;
    else if (isInFailure) failed++;
    else passed++;
    if (isInFailure || /# SKIP/.test(line)) console.log(line);
    else if (passed % 100 === 0) console.log(`${passed} passed so far, ${Math.round((Date.now() - startMs) / 1000)} s`);
  } else if (isInFailure || (line.startsWith('#') && !/^# (tests|pass|fail|skip)\b/.test(line) && !/^# .* › /.test(line))) {
    console.log(line);
  }
}
const code = child.exitCode ?? (await new Promise((resolve) => child.on('close', resolve)));
rmSync(scratch, { recursive: true, force: true });
// A crash between two tests (an exit code without a failed test) is a failure too.
if (code !== 0 && failed === 0) failed = 1;
console.log(`took ${Math.round((Date.now() - startMs) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed || passed === 0 ? 1 : 0;
