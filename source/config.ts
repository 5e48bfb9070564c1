import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import type { ParseError } from 'jsonc-parser';
import { formatAddress, isLoopback, parseAddress } from './base/address.js';
import { parseSize } from './base/size.js';
import { ConfigError } from './protocol/errors.js';

/**
 * config.json, read once and never rewritten. The file's keys are snake_case; this is what the rest of the program sees.
 * Every mistake in a file gets a line of its own: the file, the key, what was found, what is allowed.
 */
export interface Config {
  /** The file, absolute. */
  readonly file: string;
  readonly blockSizeBytes: number;
  readonly replicationFactor: number;
  /** host:port each, in order: dn1 is the first. */
  readonly dataNodes: readonly string[];
  /** host:port */
  readonly nameNode: string;
  /** Absolute; the first of `dataDirectories`. Holds `namenode`, `datanode-PORT`, `log`. */
  readonly dataDirectory: string;
  /** Absolute, one a disk, at least one: a data node keeps replicas in `datanode-PORT` below each. */
  readonly dataDirectories: readonly string[];
  readonly minReplication: number;
  readonly heartbeatIntervalMs: number;
  readonly staleNodeTimeoutMs: number;
  readonly deadNodeTimeoutMs: number;
  readonly blockReportIntervalMs: number;
  readonly retryTimeoutMs: number;
  /** How long a replica may keep a reader waiting before a second one is asked; 0: never. */
  readonly hedgedReadDelayMs: number;
  readonly trashIntervalMinutes: number;
  readonly isDurableClose: boolean;
  readonly softLeaseLimitMs: number;
  readonly hardLeaseLimitMs: number;
  /** A replica that no block explains is left alone for so long before it is deleted. */
  readonly unknownReplicaGraceMs: number;
  /** How long the name node keeps an edit, and with it the answer to its call for retries; but at most so many edits. */
  readonly editsKeptMs: number;
  readonly editsKept: number;
  /** How many copies a node sends or receives for repair at a time. */
  readonly maxReplicationStreams: number;
  /** Replicas that a block must have while others are on nodes in maintenance. */
  readonly maintenanceMinReplication: number;
  /** Bytes a second that the balancer moves from, and to, a data node. */
  readonly balanceBytesPerSecond: number;
  /** Racks of data nodes, by host or by host:port; `/default-rack` for others. */
  readonly racks: Readonly<Record<string, string>>;
  /** Absolute: a program that knows the racks. It and `racks` are never both given. */
  readonly rackScript: string | undefined;
  /** The part of all complete blocks that must have a replica before the safe mode of a start ends: 0 to 1. */
  readonly safeModeThreshold: number;
  readonly safeModeMinDatanodes: number;
  /** Safe mode goes on for so long after that. */
  readonly safeModeExtensionMs: number;
  /** Bytes a data node leaves free on each disk. */
  readonly reservedBytes: number;
  /** Storage directories that may fail before a data node ends; undefined: all but one. */
  readonly failedVolumesTolerated: number | undefined;
  /** In which a data node reads all its replicas once; 0: it does not. */
  readonly scanPeriodMs: number;
  /** Bytes a second that this may read, of each disk. */
  readonly scanBytesPerSecond: number;
}

export const defaultNameNodePort = 9870;
export const defaultDataNodePort = 9864;
const secondMs = 1000;
const minuteMs = 60 * secondMs;
const maxTimerMs = 2 ** 31 - 1;
/** What the name node can tell apart of one data node. */
const maxFolders = 64;

/** What a value must be: reads it, or says in a few words what is allowed. */
interface Rule<T> {
  allowed: string;
  read(value: unknown): T | undefined;
}

const size = (minimum: number, maximum: number): Rule<number> => ({
  allowed: `a size from ${minimum} byte${minimum === 1 ? '' : 's'} to 1 TiB, in bytes or as "64m"`,
  read: (value) => within(typeof value === 'number' || typeof value === 'string' ? parseSize(value) : undefined, minimum, maximum),
});
const whole = (minimum: number, maximum: number, what: string): Rule<number> => ({
  allowed: `${what}, a whole number from ${minimum} to ${maximum}`,
  read: (value) => within(typeof value === 'number' && Number.isInteger(value) ? value : undefined, minimum, maximum),
});
const milliseconds = (minimum: number): Rule<number> => whole(minimum, maxTimerMs, 'milliseconds');
const truth: Rule<boolean> = { allowed: 'true or false', read: (value) => (typeof value === 'boolean' ? value : undefined) };
const isFolder = (value: unknown): value is string => typeof value === 'string' && value !== '' && !value.includes('\0');
const folders: Rule<readonly string[]> = {
  allowed: 'a folder, or a list of 1 to 64 folders, each once, one a disk',
  read: (value) => {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.length >= 1 && list.length <= maxFolders && list.every(isFolder) && new Set(list).size === list.length ? (list as string[]) : undefined;
  },
};
const durationUnitsMs: Readonly<Record<string, number>> = { s: secondMs, m: minuteMs, h: 60 * minuteMs, d: 24 * 60 * minuteMs, w: 7 * 24 * 60 * minuteMs };
const duration: Rule<number> = {
  allowed: 'a duration such as "3w", "21d", "504h", "30m" or "90s"; "0s" for never',
  read: (value) => {
    const match = typeof value === 'string' ? /^(\d{1,9})([smhdw])$/.exec(value) : null;
    return match ? Number(match[1]) * durationUnitsMs[match[2]!]! : undefined;
  },
};

const program: Rule<string> = { allowed: 'the path of a program, relative to this file', read: (value) => (isFolder(value) ? value : undefined) };
const fraction: Rule<number> = { allowed: 'a number from 0 to 1', read: (value) => (typeof value === 'number' ? within(value, 0, 1) : undefined) };
const rackTable: Rule<Readonly<Record<string, string>>> = {
  allowed: 'an object of racks such as "/rack1" by "host" or "host:port"',
  read: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const isRight = Object.entries(value).every(([address, rack]) => parseAddress(address, defaultDataNodePort) !== undefined && typeof rack === 'string' && rack.length <= 255 && /^(\/[\w.:-]+)+$/.test(rack));
    return isRight ? (value as Record<string, string>) : undefined;
  },
};

const rules = {
  block_size: size(1, 2 ** 40),
  replication_factor: whole(1, 512, 'copies of each block'),
  min_replication: whole(1, 512, 'copies that a finished write must have'),
  data_dir: folders,
  heartbeat_interval_ms: milliseconds(10),
  stale_node_timeout_ms: milliseconds(20),
  dead_node_timeout_ms: milliseconds(30),
  block_report_interval_ms: milliseconds(1000),
  retry_timeout_ms: milliseconds(0),
  hedged_read_delay_ms: milliseconds(0),
  trash_interval_minutes: whole(0, 10_000_000, 'minutes'),
  durable_close: truth,
  soft_lease_limit_ms: milliseconds(100),
  hard_lease_limit_ms: milliseconds(100),
  unknown_replica_grace_ms: milliseconds(0),
  edits_kept_ms: milliseconds(1000),
  edits_kept: whole(1000, 1_000_000_000, 'edits'),
  max_replication_streams: whole(1, 1000, 'copies at a time'),
  maintenance_min_replication: whole(0, 512, 'copies that a block has while others are in maintenance'),
  balance_bandwidth: size(1024, 2 ** 40),
  racks: rackTable,
  rack_script: program,
  safe_mode_threshold: fraction,
  safe_mode_min_datanodes: whole(0, 1_000_000, 'live data nodes'),
  safe_mode_extension_ms: milliseconds(0),
  reserved_space: size(0, 2 ** 40),
  failed_volumes_tolerated: whole(0, maxFolders - 1, 'storage directories'),
  scan_period: duration,
  scan_rate: size(1, 2 ** 40),
} as const satisfies Record<string, Rule<unknown>>;

type RuleKey = keyof typeof rules;
type RuleValue<K extends RuleKey> = (typeof rules)[K] extends Rule<infer T> ? T : never;

export const configKeys: readonly string[] = ['block_size', 'replication_factor', 'data_nodes', 'name_node', ...Object.keys(rules).filter((key) => key !== 'block_size' && key !== 'replication_factor')];

/** Where dfsh keeps what is the user's: DFSH_HOME if set, else the platform's place. */
export function homeDirectory(environment: NodeJS.ProcessEnv): string {
  if (environment['DFSH_HOME']) return resolve(environment['DFSH_HOME']);
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'dfsh');
  if (process.platform === 'win32') return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'dfsh');
  return join(environment['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'dfsh');
}

/**
 * The configuration from the first of: `file`, DFSH_CONFIG, config.json in the working directory, the package's own.
 * ConfigError with a line for each mistake; a file that was named and is missing is one.
 */
export async function loadConfig(options: { file?: string | undefined; environment: NodeJS.ProcessEnv; workingDirectory: string; packageFile: string }): Promise<Config> {
  const { environment, workingDirectory } = options;
  const named = options.file ?? environment['DFSH_CONFIG'];
  const inWorkingDirectory = join(workingDirectory, 'config.json');
  const file = named ? resolve(workingDirectory, named) : existsSync(inWorkingDirectory) ? inWorkingDirectory : options.packageFile;
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    const origin = options.file ? ' (named by --config)' : environment['DFSH_CONFIG'] ? ' (named by DFSH_CONFIG)' : '';
    throw new ConfigError(`${file}${origin}: ${reason}`);
  }
  // The package's own file describes a default; its data belongs below the user's home, not into the package.
  return parseConfig(content, { file, defaultDataDirectory: join(homeDirectory(environment), 'cluster') });
}

/** The configuration in `content`. Pure but for the wording of errors. */
export async function parseConfig(content: string, { file, defaultDataDirectory }: { file: string; defaultDataDirectory: string }): Promise<Config> {
  const object = await parseObject(content, file);
  const mistakes: string[] = [];
  const complain = (key: string, found: unknown, allowed: string) => mistakes.push(`${file}: "${key}" is ${show(found)}; allowed: ${allowed}`);

  for (const key of Object.keys(object)) {
    if (!configKeys.includes(key)) mistakes.push(`${file}: unknown key "${key}"; ${await suggestion(key)}`);
  }
  const value = <K extends RuleKey>(key: K, fallback: RuleValue<K>): RuleValue<K> => {
    if (!Object.hasOwn(object, key)) return fallback;
    const result = rules[key].read(object[key]) as RuleValue<K> | undefined;
    if (result === undefined) complain(key, object[key], rules[key].allowed);
    return result ?? fallback;
  };

  const dataNodes = readDataNodes(object, complain, file, mistakes);
  const nameNode = readAddress('name_node', object['name_node'] ?? `127.0.0.1:${defaultNameNodePort}`, defaultNameNodePort, complain);
  const replicationFactor = value('replication_factor', Math.min(3, dataNodes.length || 3));
  if (dataNodes.length > 0 && replicationFactor > dataNodes.length) {
    complain('replication_factor', replicationFactor, `at most ${dataNodes.length}, the number of "data_nodes"`);
  }
  const minReplication = value('min_replication', Math.min(2, replicationFactor));
  if (minReplication > replicationFactor) complain('min_replication', minReplication, `at most ${replicationFactor}, the "replication_factor"`);
  if (nameNode !== undefined && dataNodes.includes(nameNode)) complain('name_node', nameNode, 'an address that is not one of the "data_nodes"');
  const heartbeatIntervalMs = value('heartbeat_interval_ms', secondMs);
  const staleNodeTimeoutMs = value('stale_node_timeout_ms', 3 * heartbeatIntervalMs);
  const deadNodeTimeoutMs = value('dead_node_timeout_ms', Math.max(10 * heartbeatIntervalMs, staleNodeTimeoutMs + 1));
  if (staleNodeTimeoutMs <= heartbeatIntervalMs) complain('stale_node_timeout_ms', staleNodeTimeoutMs, `more than "heartbeat_interval_ms", ${heartbeatIntervalMs}`);
  if (deadNodeTimeoutMs <= staleNodeTimeoutMs) complain('dead_node_timeout_ms', deadNodeTimeoutMs, `more than "stale_node_timeout_ms", ${staleNodeTimeoutMs}`);
  const softLeaseLimitMs = value('soft_lease_limit_ms', minuteMs);
  const hardLeaseLimitMs = value('hard_lease_limit_ms', Math.max(20 * minuteMs, softLeaseLimitMs));
  if (hardLeaseLimitMs < softLeaseLimitMs) complain('hard_lease_limit_ms', hardLeaseLimitMs, `at least "soft_lease_limit_ms", ${softLeaseLimitMs}`);

  const dataDirectories = [...new Set(value('data_dir', [defaultDataDirectory]).map((folder) => resolve(dirname(file), folder)))];
  const inner = dataDirectories.find((folder) => dataDirectories.some((outer) => folder !== outer && isBelow(folder, outer)));
  if (inner !== undefined) complain('data_dir', object['data_dir'], `folders beside each other, one a disk: ${inner} is below ${dataDirectories.find((outer) => inner !== outer && isBelow(inner, outer))!}`);
  const failedVolumesTolerated = value('failed_volumes_tolerated', -1);
  if (failedVolumesTolerated >= dataDirectories.length) complain('failed_volumes_tolerated', failedVolumesTolerated, `at most ${dataDirectories.length - 1}, one less than the folders of "data_dir"`);

  const retryTimeoutMs = value('retry_timeout_ms', minuteMs);
  const editsKeptMs = value('edits_kept_ms', Math.max(10 * minuteMs, Math.min(2 * retryTimeoutMs, maxTimerMs)));
  if (editsKeptMs <= retryTimeoutMs) complain('edits_kept_ms', editsKeptMs, `more than "retry_timeout_ms", ${retryTimeoutMs}, for which a client may ask again`);
  const rackScript = value('rack_script', '');
  if (rackScript !== '' && Object.hasOwn(object, 'racks')) complain('rack_script', rackScript, 'no "racks" beside it: one of the two says where data nodes stand');

  const racks = value('racks', {});
  const twice = rackOfOneTwice(racks);
  if (twice) complain('racks', object['racks'], `each node once: ${twice.join(' and ')} are the same`);
  const safeModeMinDatanodes = value('safe_mode_min_datanodes', 0);
  if (dataNodes.length > 0 && safeModeMinDatanodes > dataNodes.length) {
    complain('safe_mode_min_datanodes', safeModeMinDatanodes, `at most ${dataNodes.length}, the number of "data_nodes"`);
  }

  const config: Config = {
    file,
    blockSizeBytes: value('block_size', 64 * 1024 * 1024),
    replicationFactor,
    dataNodes,
    nameNode: nameNode ?? '',
    dataDirectory: dataDirectories[0]!,
    dataDirectories,
    minReplication,
    heartbeatIntervalMs,
    staleNodeTimeoutMs,
    deadNodeTimeoutMs,
    blockReportIntervalMs: value('block_report_interval_ms', 6 * 60 * minuteMs),
    retryTimeoutMs,
    hedgedReadDelayMs: value('hedged_read_delay_ms', 500),
    trashIntervalMinutes: value('trash_interval_minutes', 1440),
    isDurableClose: value('durable_close', true),
    softLeaseLimitMs,
    hardLeaseLimitMs,
    unknownReplicaGraceMs: value('unknown_replica_grace_ms', minuteMs),
    editsKeptMs,
    editsKept: value('edits_kept', 1_000_000),
    maxReplicationStreams: value('max_replication_streams', 4),
    maintenanceMinReplication: value('maintenance_min_replication', 1),
    balanceBytesPerSecond: value('balance_bandwidth', 100 * 1024 * 1024),
    racks,
    rackScript: rackScript === '' ? undefined : resolve(dirname(file), rackScript),
    safeModeThreshold: value('safe_mode_threshold', 1),
    safeModeMinDatanodes,
    safeModeExtensionMs: value('safe_mode_extension_ms', 0),
    // The name node may share the disk, and takes no change, not even a deletion, once little is left for it.
    reservedBytes: value('reserved_space', 256 * 1024 * 1024),
    failedVolumesTolerated: failedVolumesTolerated < 0 ? undefined : failedVolumesTolerated,
    scanPeriodMs: value('scan_period', 3 * durationUnitsMs['w']!),
    scanBytesPerSecond: value('scan_rate', 1024 * 1024),
  };
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  return config;
}

type Complain = (key: string, found: unknown, allowed: string) => void;

async function parseObject(content: string, file: string): Promise<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw new ConfigError(await syntaxMistake(content, file));
  }
  const repeated = await repeatedKeys(content, file);
  if (repeated.length > 0) throw new ConfigError(repeated.join('\n'));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new ConfigError(`${file}: holds ${show(parsed)}; allowed: an object with the keys ${configKeys.slice(0, 3).join(', ')}`);
  return parsed as Record<string, unknown>;
}

/** JSON.parse often gives no position: this finds line and column of the first mistake. */
async function syntaxMistake(content: string, file: string): Promise<string> {
  const { parse, printParseErrorCode } = await import('jsonc-parser');
  const errors: ParseError[] = [];
  parse(content, errors, { disallowComments: true, allowTrailingComma: false });
  const offset = errors[0]?.offset ?? 0;
  const before = content.slice(0, offset).split('\n');
  const what = errors[0] ? printParseErrorCode(errors[0].error).replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase() : 'not valid';
  return `${file}:${before.length}:${before.at(-1)!.length + 1}: not JSON: ${what}`;
}

/** A line for each key that an object has twice: JSON.parse would take the last one without a word. `content` is good JSON. */
async function repeatedKeys(content: string, file: string): Promise<string[]> {
  const keys = Array.from(content.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?/g), ([, text, colon]) => (colon ? (JSON.parse(text!) as string) : undefined)).filter((key) => key !== undefined);
  if (new Set(keys).size === keys.length) return [];
  // The same key in two objects is right: only now a parser has to tell.
  const { visit } = await import('jsonc-parser');
  const firstLines = new Map<string, number>();
  const lines: string[] = [];
  visit(content, {
    onObjectProperty(key, _offset, _length, line, column, path) {
      const place = JSON.stringify([...path(), key]);
      const first = firstLines.get(place);
      if (first === undefined) firstLines.set(place, line + 1);
      else lines.push(`${file}:${line + 1}:${column + 1}: the key "${key}" is there already, in line ${first}; allowed: each key once`);
    },
  });
  return lines;
}

function readDataNodes(object: Record<string, unknown>, complain: Complain, file: string, mistakes: string[]): string[] {
  const allowed = 'a list of "host" or "host:port", each once';
  if (!Object.hasOwn(object, 'data_nodes')) return [0, 1, 2].map((i) => `127.0.0.1:${defaultDataNodePort + i}`);
  const list = object['data_nodes'];
  if (!Array.isArray(list) || list.length === 0) {
    complain('data_nodes', list, allowed);
    return [];
  }
  const seen = new Map<string, number>();
  const result: string[] = [];
  list.forEach((item: unknown, index) => {
    const address = readAddress(`data_nodes[${index}]`, item, defaultDataNodePort, complain);
    if (address === undefined) return;
    const first = seen.get(address);
    if (first !== undefined) mistakes.push(`${file}: "data_nodes[${index}]" is ${show(item)}, the same node as data_nodes[${first}]; allowed: each node once`);
    seen.set(address, index);
    result.push(address);
  });
  return result;
}

/** A clean host:port; localhost is 127.0.0.1, so that one node has one name. */
function readAddress(key: string, value: unknown, defaultPort: number, complain: Complain): string | undefined {
  const address = typeof value === 'string' ? parseAddress(value, defaultPort) : undefined;
  if (!address) {
    complain(key, value, '"host" or "host:port", with a port from 1 to 65535');
    return undefined;
  }
  if (!isLoopback(address.host)) {
    complain(key, value, 'an address of this machine alone, such as 127.0.0.1: others could reach that one, and dfsh has no authentication yet');
    return undefined;
  }
  return formatAddress({ ...address, host: address.host === 'localhost' ? '127.0.0.1' : address.host });
}

function isBelow(folder: string, outer: string): boolean {
  return folder.startsWith(outer.endsWith(sep) ? outer : `${outer}${sep}`);
}

/** Two spellings of one host, or of one host:port: which rack is meant nobody could tell. */
function rackOfOneTwice(racks: Readonly<Record<string, string>>): [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const text of Object.keys(racks)) {
    const node = text.replace(/^(?:localhost|\[::1\])(?=:|$)/, '127.0.0.1');
    const first = seen.get(node);
    if (first !== undefined) return [first, text];
    seen.set(node, text);
  }
  return undefined;
}

async function suggestion(key: string): Promise<string> {
  const { closest, distance } = await import('fastest-levenshtein');
  const nearest = closest(key.toLowerCase(), [...configKeys]);
  return distance(key.toLowerCase(), nearest) <= Math.max(2, key.length / 3) ? `did you mean "${nearest}"?` : `known: ${configKeys.join(', ')}`;
}

function within(value: number | undefined, minimum: number, maximum: number): number | undefined {
  return value !== undefined && value >= minimum && value <= maximum ? value : undefined;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}
