import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageDamagedError, VersionMismatchError } from '../protocol/errors.js';
import { storageError } from '../storage/storage-error.js';
import { syncDirectory } from '../storage/sync-directory.js';
import type { ProcessIdentity } from './process-identity.js';

/** What a local cluster remembers between two commands. */
export interface ClusterState {
  /** Data nodes beyond those of config.json, host:port, in the order in which they were added. */
  added: string[];
  /** The processes that were started, by host:port. One that has ended may still be listed. */
  processes: Map<string, ProcessIdentity>;
  /** dn1..dnN by host:port, as the name node told them. */
  names: Map<string, string>;
}

const magic = 'dfsh-cluster';
const version = 1;

/** The state file of the cluster whose name node is at `nameNode`: `cluster-127.0.0.1-9870.json`. */
export function stateFilePath(dataDirectory: string, nameNode: string): string {
  return join(dataDirectory, `cluster-${nameNode.replace(/[^A-Za-z0-9.]+/g, '-')}.json`);
}

/** Empty if there is no file. */
export async function readState(file: string): Promise<ClusterState> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { added: [], processes: new Map(), names: new Map() };
    throw storageError(error, `reading ${file}, the state of the cluster on this machine`);
  }
  return parseState(text, file);
}

function parseState(text: string, file: string): ClusterState {
  const damaged = () => new StorageDamagedError(`${file} is not readable; stop the nodes it was about by hand, and delete it`, { path: file });
  let content: { magic?: unknown; version?: unknown; added?: unknown; processes?: unknown; names?: unknown } | null;
  try {
    content = JSON.parse(text) as typeof content;
  } catch {
    throw damaged();
  }
  if (typeof content !== 'object' || content === null || content.magic !== magic) throw damaged();
  if (content.version !== version) {
    throw new VersionMismatchError(`${file} has format ${magic} ${String(content.version)}; this program knows ${magic} ${version}: use the release that wrote it`, { path: file });
  }
  const { added, processes, names } = content;
  if (!Array.isArray(added) || !Array.isArray(processes) || !Array.isArray(names)) throw damaged();
  const isText = (value: unknown): value is string => typeof value === 'string';
  const state: ClusterState = { added: added.filter(isText), processes: new Map(), names: new Map() };
  for (const item of processes as ({ address?: unknown; pid?: unknown; startedAt?: unknown } | null)[]) {
    if (!isText(item?.address) || !Number.isSafeInteger(item.pid) || !((item.pid as number) > 1) || !isText(item.startedAt)) throw damaged();
    state.processes.set(item.address, { pid: item.pid as number, startedAt: item.startedAt });
  }
  for (const item of names as ({ address?: unknown; name?: unknown } | null)[]) {
    if (!isText(item?.address) || !isText(item.name)) throw damaged();
    state.names.set(item.address, item.name);
  }
  return state;
}

/** Replaces the file as a whole: after a crash it is the old or the new one. NoSpaceError or InputOutputError, which name it, leave the old one. */
export async function writeState(file: string, state: ClusterState): Promise<void> {
  try {
    await replaceState(file, state);
  } catch (error) {
    await rm(`${file}.new`, { force: true }).catch(() => {});
    throw storageError(error, `writing ${file}`);
  }
}

async function replaceState(file: string, state: ClusterState): Promise<void> {
  const content = {
    magic,
    version,
    added: state.added,
    processes: [...state.processes].map(([address, identity]) => ({ address, ...identity })),
    names: [...state.names].map(([address, name]) => ({ address, name })),
  };
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fresh = await open(`${file}.new`, 'w', 0o600);
  try {
    await fresh.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await fresh.sync();
  } finally {
    await fresh.close();
  }
  await rename(`${file}.new`, file);
  await syncDirectory(directory);
}
