import test from 'ava';
import { type CompletionSources, completeLine, type ListedName } from '../../../source/commands/completion.js';
import { registry } from '../../../source/commands/registry.js';
import { tokenize } from '../../../source/commands/tokenizer.js';

const remote: Record<string, ListedName[]> = {
  '.': [file('data.csv'), directory('docs')],
  '/': [directory('user'), directory('logs'), file('l og')],
  '/user/': [directory('me'), file("it's"), file('a*b'), file('-dash'), file('bell\u0007'), file('ü')],
};
const local: Record<string, ListedName[]> = { '.': [file('local.txt'), file('-rf'), directory('my dir')], '~/': [file('home.txt')] };

const sources: CompletionSources = {
  commands: registry,
  listRemote: (path) => iterate(remote[path]),
  listLocal: (path) => iterate(local[path]),
  nodeNames: async () => ['nn', 'dn1', 'dn2'],
  datanodeNames: async () => ['dn1', 'dn2', 'dn10'],
};

function file(name: string): ListedName {
  return { name, isDirectory: false, lengthBytes: 2048 };
}

function directory(name: string): ListedName {
  return { name, isDirectory: true, lengthBytes: 0 };
}

async function* iterate(entries: ListedName[] | undefined): AsyncIterable<ListedName> {
  if (!entries) throw new Error('not there');
  yield* entries;
}

/** `|` marks the cursor. Answers what each candidate would make of the line. */
async function complete(marked: string): Promise<string[]> {
  const cursor = marked.indexOf('|');
  const line = marked.replace('|', '');
  const { start, end, candidates } = await completeLine(line, cursor, sources);
  return candidates.map(({ insert }) => line.slice(0, start) + insert + line.slice(end));
}

for (const [line, lines] of [
  ['mkd|', ['mkdir']],
  ['-mkd|', ['-mkdir']],
  ['ls /; hdfs dfs -touc|', ['ls /; hdfs dfs -touchz', 'ls /; hdfs dfs -touch']],
  ['nosuch /|', []],
  ['ls /u|', ['ls /user/']],
  ['ls /user/|', ['ls /user/me/', `ls "/user/it's"`, "ls '/user/a\\*b'", 'ls /user/-dash', 'ls /user/ü']],
  ['ls /l|', ['ls /logs/', "ls '/l og'"]],
  ["ls '/l |", ["ls '/l og'"]],
  ['ls "/l |', ["ls '/l og'"]],
  ['ls /l|x', ['ls /logs/x', "ls '/l og'x"]],
  ['ls /none/|', []],
  ['ls /us*/|', []],
  ['cat d|', ['cat data.csv', 'cat docs/']],
  ['cd d|', ['cd docs/']],
  ['ls dfs://h:1/u|', ['ls dfs://h:1/user/']],
  ['put |', ['put local.txt', 'put ./-rf', "put 'my dir/'"]],
  ['put local.txt d|', ['put local.txt data.csv', 'put local.txt docs/']],
  ['put -f l|', ['put -f local.txt']],
  ['put ~/h|', ['put ~/home.txt']],
  ['get /logs l|', ['get /logs local.txt']],
  ['rm -skip|', ['rm -skipTrash']],
  ['rm -r -|', ['rm -r -f', 'rm -r -R', 'rm -r -skipTrash', 'rm -r -safely', 'rm -r --json', 'rm -r --help']],
  ['rm /a -|', ['rm /a --json', 'rm /a --help']],
  ['fsck / -f|', ['fsck / -files']],
  ['rmdir --ig|', ['rmdir --ignore-fail-on-non-empty']],
  ['put -t |', []],
  ['safemode l|', ['safemode leave']],
  ['node kill d|', ['node kill dn1', 'node kill dn2']],
  ['decommission dn1|', ['decommission dn1', 'decommission dn10']],
  ['maintenance |', ['maintenance dn1', 'maintenance dn2', 'maintenance dn10']],
  ['balancer -t|', ['balancer -threshold']],
  ['help put|', ['help put']],
  ['watch du -s /u|', ['watch du -s /user/']],
  ['watch -n 5 mkd|', ['watch -n 5 mkdir']],
  ['ls # /u|', []],
  ['ls /; cat /lo|', ['ls /; cat /logs/']],
] as const) {
  test(`${line} can become ${lines.length === 0 ? 'nothing else' : lines.join('   or   ')}`, async (t) => {
    t.deepEqual((await complete(line)).sort(), [...lines].sort());
  });
}

test('an empty line offers every command with what it does', async (t) => {
  const { candidates } = await completeLine('', 0, sources);
  t.is(candidates.length, registry.entries.flatMap(({ name, aliases }) => [name, ...aliases]).length);
  t.truthy(candidates.every(({ description }) => description));
});

test('a directory goes on, a file does not; sizes are described', async (t) => {
  const { candidates } = await completeLine('cat d', 5, sources);
  t.deepEqual(
    candidates.map(({ label, description, isPartial }) => [label, description, isPartial]),
    [
      ['data.csv', '2.0 KiB', false],
      ['docs/', 'directory', true],
    ],
  );
});

test('what is inserted names just the entry, whatever its characters', async (t) => {
  const names = ["a 'b' \"c\"", 'x;y && z', '$HOME `id`', '#no', 'back\\slash', '{a,b}[c]?*', '~', 'a=b|c>d'];
  const { candidates } = await completeLine('cat ', 4, { ...sources, listRemote: () => iterate(names.map(file)) });
  for (const [i, { insert }] of candidates.entries()) {
    const { segments, unterminated } = tokenize(`cat ${insert}`);
    t.is(unterminated, null);
    t.is(segments.length, 1);
    t.deepEqual(segments[0]!.words.map(({ text }) => text.replace(/\\(.)/g, '$1')), ['cat', names[i]!]);
  }
});

test('a directory of a million names offers two hundred, and is not read to its end (fault 55)', async (t) => {
  let taken = 0;
  async function* many(): AsyncIterable<ListedName> {
    for (; taken < 1_000_000; taken++) yield file(`f${taken}`);
  }
  const { candidates } = await completeLine('cat f', 5, { ...sources, listRemote: many });
  t.is(candidates.length, 200);
  t.true(taken < 1000);
});
