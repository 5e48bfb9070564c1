// Builds dist/: tsc's output (dist/source with its types, dist/test), and dist/bin, bundled so that dfsh starts fast.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const require = createRequire(import.meta.url);

const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
execFileSync(process.execPath, [tsc, '--project', 'tsconfig.json'], { stdio: 'inherit' });

rmSync('dist/bin', { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: { dfsh: 'source/cli.ts' },
  outdir: 'dist/bin',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  sourcemap: false,
  metafile: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  // The shell sets NODE_ENV for an unbundled React: such an assignment is left as it is.
  logOverride: { 'assign-to-define': 'silent' },
  // Packages that come in both forms are taken as ES modules.
  mainFields: ['module', 'main'],
  // Native modules find their binaries beside themselves.
  external: ['lmdb', '@node-rs/crc32'],
  // Ink asks for react-devtools-core only when DEV is set; a bundle must not look for it.
  plugins: [{ name: 'no-devtools', setup: (b) => { b.onResolve({ filter: /^react-devtools-core$/ }, () => ({ path: 'react-devtools-core', namespace: 'empty' })); b.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default {};' })); } }],
  banner: { js: "import{createRequire as __dfshRequire}from'node:module';const require=__dfshRequire(import.meta.url);" },
});
chmodSync('dist/bin/dfsh.js', 0o755);

// A CommonJS module behind import() would come out of the bundle without its names.
const nameless = Object.values(metafile.outputs).flatMap(({ entryPoint }) => (entryPoint && metafile.inputs[entryPoint]?.format === 'cjs' ? [entryPoint] : []));
if (nameless.length > 0) throw new Error(`import() of CommonJS: ${nameless.join(', ')}; import it statically in a module of its own`);

// What a one-shot command loads: the entry and what it imports statically. Printed on request, tested in test/unit.
if (process.argv.includes('--closure')) console.log(JSON.stringify(staticClosure(metafile), null, 2));

function staticClosure({ outputs }) {
  const inputs = new Set();
  const visit = (file, seen = new Set()) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const input of Object.keys(outputs[file].inputs)) inputs.add(input);
    for (const { path, kind, external } of outputs[file].imports) if (!external && kind === 'import-statement') visit(path, seen);
  };
  visit('dist/bin/dfsh.js');
  return [...inputs].sort();
}
