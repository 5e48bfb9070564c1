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

/** Ink asks for react-devtools-core only when DEV is set; a bundle must not look for it. */
const withoutDevtools = {
  name: 'without-devtools',
  setup(builder) {
    builder.onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    builder.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default {};' }));
  },
};
/** What cli.ts imports when it is asked for stays a file of its own. */
const apart = {
  name: 'apart',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/\w+\.js$/ }, ({ path, importer, kind }) => (kind === 'dynamic-import' && importer.endsWith('cli.ts') ? { path, external: true } : undefined));
  },
};

rmSync('dist/bin', { recursive: true, force: true });
/** One file a way of running: import() inside it stays lazy, and costs no further file. What the ways share is in each of them. */
const common = {
  outdir: 'dist/bin',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  sourcemap: false,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  // The shell sets NODE_ENV for an unbundled React: such an assignment is left as it is.
  logOverride: { 'assign-to-define': 'silent' },
  // Packages that come in both forms are taken as ES modules.
  mainFields: ['module', 'main'],
  // Native modules find their binaries beside themselves.
  external: ['lmdb', '@node-rs/crc32'],
  plugins: [withoutDevtools, apart],
  banner: { js: "import{createRequire as __dfshRequire}from'node:module';const require=__dfshRequire(import.meta.url);" },
};
// What a person waits for is made short: reading it is a good part of its start. Nodes keep the names that their logs show.
await build({ ...common, minifyIdentifiers: true, entryPoints: { dfsh: 'source/cli.ts', program: 'source/program.ts', interactive: 'source/interactive.ts' } });
await build({ ...common, entryPoints: { demo: 'source/demo.ts', serve: 'source/serve.ts', maintain: 'source/maintain.ts' } });
chmodSync('dist/bin/dfsh.js', 0o755);
