import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { configKeys, loadConfig, parseConfig } from '../../source/config.js';
import { ConfigError } from '../../source/protocol/errors.js';

const at = { file: '/etc/dfsh/config.json', defaultDataDirectory: '/home/me/.local/share/dfsh/cluster' };
const nodes = '"data_nodes": ["127.0.0.1:9864", "127.0.0.1:9865", "127.0.0.1:9866"]';

async function mistakes(content: string): Promise<string[]> {
  try {
    await parseConfig(content, at);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').map((line) => line.replace(`${at.file}: `, ''));
    throw error;
  }
}

test('a file with only the three original keys works, and everything else has a default', async (t) => {
  const config = await parseConfig(`{"block_size": 10000, "replication_factor": 3, ${nodes}}`, at);
  t.is(config.blockSizeBytes, 10_000);
  t.is(config.replicationFactor, 3);
  t.deepEqual(config.dataNodes, ['127.0.0.1:9864', '127.0.0.1:9865', '127.0.0.1:9866']);
  t.is(config.nameNode, '127.0.0.1:9870');
  t.is(config.minReplication, 2);
  t.is(config.heartbeatIntervalMs, 1000);
  t.is(config.staleNodeTimeoutMs, 3000);
  t.is(config.deadNodeTimeoutMs, 10_000);
  t.is(config.dataDirectory, at.defaultDataDirectory);
  t.true(config.isDurableClose);
  t.is(config.hedgedReadDelayMs, 500);
  // Data nodes that fill the disk they share with the name node leave it what it needs to delete: 64 MiB, and room to work.
  t.is(config.reservedBytes, 268_435_456);
});

test('sizes may have units, hosts may leave out the port, and data_dir is relative to the file', async (t) => {
  const config = await parseConfig('{"block_size": "64m", "data_nodes": ["localhost", "[::1]:9865"], "data_dir": "data"}', at);
  t.is(config.blockSizeBytes, 67_108_864);
  t.deepEqual(config.dataNodes, ['127.0.0.1:9864', '[::1]:9865']);
  t.is(config.replicationFactor, 2, 'three by default, but never more than there are nodes');
  t.is(config.dataDirectory, '/etc/dfsh/data');
});

test('data_dir may be a list, one a disk: data nodes use all, the name node the first', async (t) => {
  const config = await parseConfig('{"data_dir": ["data", "/mnt/d2", "../d3"], "failed_volumes_tolerated": 1}', at);
  t.deepEqual(config.dataDirectories, ['/etc/dfsh/data', '/mnt/d2', '/etc/d3']);
  t.is(config.dataDirectory, '/etc/dfsh/data');
  t.is(config.failedVolumesTolerated, 1);
  const one = await parseConfig('{"data_dir": "data"}', at);
  t.deepEqual(one.dataDirectories, ['/etc/dfsh/data']);
  t.is(one.failedVolumesTolerated, undefined);
});

test('replicas are scanned every three weeks at 1 MiB a second, or as the file says, or never', async (t) => {
  const { scanPeriodMs, scanBytesPerSecond } = await parseConfig('{}', at);
  t.deepEqual([scanPeriodMs, scanBytesPerSecond], [504 * 3_600_000, 1_048_576]);
  const periods: Record<string, number> = { '90s': 90_000, '30m': 1_800_000, '504h': 504 * 3_600_000, '21d': 504 * 3_600_000, '3w': 504 * 3_600_000, '0s': 0 };
  for (const [period, ms] of Object.entries(periods)) t.is((await parseConfig(`{"scan_period": "${period}", "scan_rate": "4m"}`, at)).scanPeriodMs, ms, period);
});

test('racks, their program and the thresholds of safe mode are read, and have HDFS\'s defaults', async (t) => {
  t.like(await parseConfig('{}', at), { racks: {}, rackScript: undefined, safeModeThreshold: 1, safeModeMinDatanodes: 0, safeModeExtensionMs: 0, maintenanceMinReplication: 1, balanceBytesPerSecond: 104_857_600 });
  t.deepEqual((await parseConfig('{"racks": {"localhost:9864": "/a", "10.0.0.1": "/east/b"}}', at)).racks, { 'localhost:9864': '/a', '10.0.0.1': '/east/b' });
  const config = await parseConfig('{"rack_script": "racks.sh", "safe_mode_threshold": 0.999, "safe_mode_min_datanodes": 2, "safe_mode_extension_ms": 30000, "balance_bandwidth": "10m"}', at);
  t.like(config, { rackScript: '/etc/dfsh/racks.sh', safeModeThreshold: 0.999, safeModeMinDatanodes: 2, safeModeExtensionMs: 30_000, balanceBytesPerSecond: 10_485_760 });
});

test('edits are kept for ten minutes, or twice as long as calls are tried', async (t) => {
  t.like(await parseConfig('{}', at), { editsKeptMs: 600_000, editsKept: 1_000_000 });
  t.like(await parseConfig('{"retry_timeout_ms": 3600000}', at), { editsKeptMs: 7_200_000 });
  t.like(await parseConfig('{"edits_kept_ms": 120000, "edits_kept": 5000}', at), { editsKeptMs: 120_000, editsKept: 5000 });
});

const cases: [title: string, content: string, ...lines: RegExp[]][] = [
  ['bad JSON is reported with line and column', '{\n  "block_size": 64m\n}', /^\/etc\/dfsh\/config\.json:2:\d+: not JSON: /],
  ['an empty file is reported', '', /config\.json:1:1: not JSON/],
  ['a list is no configuration', '[]', /^holds \[\]; allowed: an object/],
  ['an unknown key is named with the nearest known one', '{"blocksize": 1}', /^unknown key "blocksize"; did you mean "block_size"\?$/],
  ['an unknown key far from all lists the known ones', '{"colour": 1}', /^unknown key "colour"; known: block_size, /],
  ['a key that is there twice is named with both of its lines', '{\n  "block_size": 1,\n  "min_replication": 1,\n  "block_\\u0073ize": 2\n}', /config\.json:4:3: the key "block_size" is there already, in line 2; allowed: each key once$/],
  ['__proto__ is an unknown key like any other', '{"__proto__": {"block_size": 1}}', /^unknown key "__proto__"/],
  ['a size of a wrong type', '{"block_size": true}', /^"block_size" is true; allowed: a size from 1 byte to 1 TiB/],
  ['a size of zero', '{"block_size": 0}', /^"block_size" is 0; allowed/],
  ['a negative size', '{"block_size": -5}', /^"block_size" is -5; allowed/],
  ['a size with an unknown unit', '{"block_size": "64 apples"}', /^"block_size" is "64 apples"; allowed/],
  ['replication above the number of nodes', `{"replication_factor": 4, ${nodes}}`, /^"replication_factor" is 4; allowed: at most 3, the number of "data_nodes"$/],
  ['replication that is no whole number', '{"replication_factor": 2.5}', /^"replication_factor" is 2\.5; allowed: copies of each block, a whole number/],
  ['a node listed twice', '{"data_nodes": ["127.0.0.1:9864", "localhost:9864"], "replication_factor": 1}', /^"data_nodes\[1\]" is "localhost:9864", the same node as data_nodes\[0\]/],
  ['a bad address', '{"data_nodes": ["127.0.0.1:99999"], "replication_factor": 1}', /^"data_nodes\[0\]" is "127\.0\.0\.1:99999"; allowed: "host" or "host:port"/],
  ['an address of a wrong type', '{"data_nodes": [9864], "replication_factor": 1}', /^"data_nodes\[0\]" is 9864; allowed/],
  ['no data nodes', '{"data_nodes": []}', /^"data_nodes" is \[\]; allowed: a list/],
  ['an address that others can reach', '{"data_nodes": ["10.0.0.5:9864"], "replication_factor": 1}', /^"data_nodes\[0\]" is "10\.0\.0\.5:9864"; allowed: an address of this machine.*no authentication yet$/],
  ['a name node on the wildcard address', '{"name_node": "0.0.0.0:9870"}', /^"name_node" is "0\.0\.0\.0:9870"; .*no authentication yet$/],
  ['a name node on a data node\'s address', `{"name_node": "127.0.0.1:9864", ${nodes}}`, /^"name_node" is "127\.0\.0\.1:9864"; allowed: an address that is not/],
  ['a verdict of death before one of staleness', '{"stale_node_timeout_ms": 5000, "dead_node_timeout_ms": 5000}', /^"dead_node_timeout_ms" is 5000; allowed: more than/],
  ['a folder listed twice', '{"data_dir": ["/a", "/a"]}', /^"data_dir" is \["\/a","\/a"\]; allowed: a folder, or a list of 1 to 64 folders, each once/],
  ['a folder below another one', '{"data_dir": ["/a/b", "/ab", "/a"]}', /^"data_dir" is \["\/a\/b","\/ab","\/a"\]; allowed: folders beside each other, one a disk: \/a\/b is below \/a$/],
  ['everything below the root of the file system', '{"data_dir": ["/", "/a"]}', /: \/a is below \/$/],
  ['no folder', '{"data_dir": []}', /^"data_dir" is \[\]; allowed: a folder, or a list/],
  ['a folder of a wrong type in a list', '{"data_dir": ["/a", 7]}', /^"data_dir" is \["\/a",7\]; allowed: a folder/],
  ['as many failed disks tolerated as there are', '{"data_dir": ["/a", "/b"], "failed_volumes_tolerated": 2}', /^"failed_volumes_tolerated" is 2; allowed: at most 1, one less than the folders of "data_dir"$/],
  ['a period without a unit', '{"scan_period": 504}', /^"scan_period" is 504; allowed: a duration such as "3w"/],
  ['racks that are no object', '{"racks": ["/a"]}', /^"racks" is \["\/a"\]; allowed: an object of racks/],
  ['a rack that is no path', '{"racks": {"127.0.0.1:9864": "a"}}', /^"racks" is \{"127\.0\.0\.1:9864":"a"\}; allowed/],
  ['a rack of something that is no address', '{"racks": {"127.0.0.1:99999": "/a"}}', /^"racks" is /],
  ['the rack of one node under two names', '{"racks": {"localhost:9864": "/a", "127.0.0.1:9865": "/b", "127.0.0.1:9864": "/b"}}', /^"racks" is .*; allowed: each node once: localhost:9864 and 127\.0\.0\.1:9864 are the same$/],
  ['the rack of one host under two names', '{"racks": {"127.0.0.1": "/a", "localhost": "/a"}}', /; allowed: each node once: 127\.0\.0\.1 and localhost are the same$/],
  ['more live nodes wanted for the end of safe mode than are listed', `{"safe_mode_min_datanodes": 4, ${nodes}}`, /^"safe_mode_min_datanodes" is 4; allowed: at most 3, the number of "data_nodes"$/],
  ['racks from two places', '{"racks": {}, "rack_script": "racks.sh"}', /^"rack_script" is "racks\.sh"; allowed: no "racks" beside it/],
  ['a threshold of safe mode above 1', '{"safe_mode_threshold": 1.5}', /^"safe_mode_threshold" is 1\.5; allowed: a number from 0 to 1$/],
  ['answers that are forgotten while their calls are still tried', '{"edits_kept_ms": 60000}', /^"edits_kept_ms" is 60000; allowed: more than "retry_timeout_ms", 60000, for which a client may ask again$/],
  ['every mistake gets its line', '{"block_size": 0, "replication_factor": "x", "blok": 1}', /unknown key "blok"/, /"replication_factor" is "x"/, /"block_size" is 0/],
];
for (const [title, content, ...lines] of cases) {
  test(`mistakes: ${title}`, async (t) => {
    const found = await mistakes(content);
    t.is(found.length, lines.length, found.join('\n'));
    lines.forEach((line) => t.true(found.some((text) => line.test(text)), found.join('\n')));
  });
}

test('whatever JSON the file holds, the answer is a configuration or a ConfigError that names the file', async (t) => {
  const anything = fc.oneof(
    fc.json(),
    fc.string(),
    fc.dictionary(fc.constantFrom(...configKeys), fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null), fc.array(fc.string()))).map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (content) => {
      try {
        const config = await parseConfig(content, at);
        t.true(config.replicationFactor >= 1 && config.replicationFactor <= config.dataNodes.length);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        for (const line of error.message.split('\n')) t.true(line.startsWith(at.file), line);
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('the file is looked for at --config, then DFSH_CONFIG, then the working directory, then the package', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-config-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const write = (name: string, blockSize: number) => {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'config.json'), `{"block_size": ${blockSize}}`);
    return join(folder, name, 'config.json');
  };
  const [packageFile, working, variable, named] = [write('package', 1), write('working', 2), write('variable', 3), write('named', 4)];
  mkdirSync(join(folder, 'empty'));
  const load = async (file: string | undefined, environment: NodeJS.ProcessEnv, directory: string) => (await loadConfig({ file, environment, workingDirectory: join(folder, directory), packageFile })).blockSizeBytes;
  t.is(await load(named, { DFSH_CONFIG: variable }, 'working'), 4);
  t.is(await load(undefined, { DFSH_CONFIG: variable }, 'working'), 3);
  t.is(await load(undefined, {}, 'working'), 2);
  t.is(await load(undefined, {}, 'empty'), 1);
  t.true(working.length > 0);
  const missing = join(folder, 'nowhere.json');
  await t.throwsAsync(load(missing, {}, 'working'), { message: `${missing} (named by --config): there is no such file` });
  await t.throwsAsync(load(undefined, { DFSH_CONFIG: missing }, 'working'), { message: `${missing} (named by DFSH_CONFIG): there is no such file` });
});
