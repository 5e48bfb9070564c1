import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { planted } from '../mutants/mutant.js';
import { mutants } from '../mutants/mutants.js';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

test('each bug that can be planted (npm run mutants) still finds its place in the source', (t) => {
  t.true(mutants.length > 30);
  for (const mutant of mutants) t.notThrows(() => planted(readFileSync(join(root, mutant.file), 'utf8'), mutant), mutant.name);
});
