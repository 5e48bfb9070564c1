import fc from 'fast-check';
import { isWithin, parentPath } from '../../source/base/path.js';
import { DfsError } from '../../source/protocol/errors.js';
import { type NamespaceHarness, written } from './namespace-harness.js';

/** A namespace as simple as can be: whole paths, no permissions (the superuser calls), files by their block lengths. */
interface ModelNode {
  isDirectory: boolean;
  lengths: number[];
  permission: number;
  replication: number;
}

export type NamespaceStep =
  | { kind: 'mkdirs'; path: string; createParents: boolean }
  | { kind: 'write'; path: string; lengths: number[]; overwrite: boolean; createParents: boolean; renameTo: string | undefined }
  | { kind: 'rename'; source: string; target: string; overwrite: boolean }
  | { kind: 'delete'; path: string; recursive: boolean }
  /** The writer dies before its first byte, unless it closes the file. */
  | { kind: 'append'; path: string; lengthBytes: number; isClosed: boolean }
  | { kind: 'truncate'; path: string; newLengthBytes: number }
  | { kind: 'concat'; target: string; sources: string[] }
  | { kind: 'recoverLease'; path: string }
  | { kind: 'setPermission'; path: string; permission: number }
  | { kind: 'setReplication'; path: string; replication: number }
  | { kind: 'reclaim' }
  | { kind: 'restart' };

export class NamespaceModel {
  readonly nodes = new Map<string, ModelNode>([['/', { isDirectory: true, lengths: [], permission: 0o755, replication: 3 }]]);

  /** What the call answers, or the name of its error. Changes nothing if it is an error. */
  apply(step: NamespaceStep): unknown {
    switch (step.kind) {
      case 'mkdirs':
        return this.#mkdirs(step.path, step.createParents);
      case 'write':
        return this.#write(step);
      case 'rename':
        return this.#rename(step.source, step.target, step.overwrite);
      case 'delete':
        return this.#delete(step.path, step.recursive);
      case 'append':
        return this.#append(step);
      case 'truncate':
        return this.#truncate(step.path, step.newLengthBytes);
      case 'concat':
        return this.#concat(step.target, step.sources);
      case 'recoverLease': {
        const node = this.nodes.get(step.path);
        return !node ? 'FileNotFoundError' : node.isDirectory ? 'IsADirectoryError' : true;
      }
      case 'setPermission': {
        const node = this.nodes.get(step.path);
        if (!node) return 'FileNotFoundError';
        node.permission = step.permission;
        return null;
      }
      case 'setReplication': {
        const node = this.nodes.get(step.path);
        if (!node) return 'FileNotFoundError';
        if (node.isDirectory) return false;
        node.replication = step.replication;
        return true;
      }
      case 'reclaim':
      case 'restart':
        return null;
    }
  }

  #mkdirs(path: string, createParents: boolean): unknown {
    if (this.#fileAbove(path)) return 'NotADirectoryError';
    const node = this.nodes.get(path);
    if (node) return node.isDirectory && createParents ? false : 'FileAlreadyExistsError';
    if (!createParents && !this.nodes.has(parentPath(path))) return 'FileNotFoundError';
    this.#makeParents(path, () => 0o755);
    this.nodes.set(path, { isDirectory: true, lengths: [], permission: 0o755, replication: 3 });
    return true;
  }

  #write(step: NamespaceStep & { kind: 'write' }): unknown {
    const { path, lengths, overwrite, createParents, renameTo } = step;
    if (this.#fileAbove(path)) return 'NotADirectoryError';
    const node = this.nodes.get(path);
    if (node && (node.isDirectory || !overwrite)) return 'FileAlreadyExistsError';
    if (!createParents && !this.nodes.has(parentPath(path))) return 'FileNotFoundError';
    this.#makeParents(path, (above) => this.nodes.get(above)!.permission | 0o300);
    this.nodes.set(path, { isDirectory: false, lengths: [...lengths], permission: 0o644, replication: 3 });
    if (renameTo === undefined || renameTo === path) return null;
    return this.#rename(path, renameTo, true);
  }

  #append({ path, lengthBytes, isClosed }: NamespaceStep & { kind: 'append' }): unknown {
    const node = this.nodes.get(path);
    if (!node) return 'FileNotFoundError';
    if (node.isDirectory) return 'FileAlreadyExistsError';
    for (let left = isClosed ? lengthBytes : 0; left > 0; ) {
      if ((node.lengths.at(-1) ?? blockSizeBytes) === blockSizeBytes) node.lengths.push(0);
      const taken = Math.min(left, blockSizeBytes - node.lengths.at(-1)!);
      node.lengths[node.lengths.length - 1]! += taken;
      left -= taken;
    }
    return null;
  }

  #truncate(path: string, newLengthBytes: number): unknown {
    const node = this.nodes.get(path);
    if (!node) return 'FileNotFoundError';
    if (node.isDirectory) return 'IsADirectoryError';
    if (newLengthBytes > sum(node.lengths)) return 'InvalidArgumentError';
    let left = newLengthBytes;
    let isAtEnd = true;
    node.lengths = node.lengths.flatMap((length) => {
      const kept = Math.min(left, length);
      left -= kept;
      if (kept > 0 && kept < length) isAtEnd = false;
      return kept > 0 ? [kept] : [];
    });
    return isAtEnd;
  }

  #concat(target: string, sources: string[]): unknown {
    const node = this.nodes.get(target);
    if (!node) return 'FileNotFoundError';
    if (node.isDirectory) return 'IsADirectoryError';
    for (const path of sources) {
      const source = this.nodes.get(path);
      if (!source) return 'FileNotFoundError';
      if (source.isDirectory) return 'IsADirectoryError';
      if (parentPath(path) !== parentPath(target) || path === target || source.lengths.length === 0) return 'InvalidArgumentError';
    }
    if (new Set(sources).size < sources.length) return 'InvalidArgumentError';
    for (const path of sources) {
      node.lengths.push(...this.nodes.get(path)!.lengths);
      this.nodes.delete(path);
    }
    return null;
  }

  #rename(source: string, target: string, overwrite: boolean): unknown {
    if (this.#fileAbove(target)) return 'NotADirectoryError';
    if (target === '/') return 'FileAlreadyExistsError';
    if (source === '/') return 'InputOutputError';
    const node = this.nodes.get(source);
    if (!node) return 'FileNotFoundError';
    if (source === target) return 'FileAlreadyExistsError';
    if (isWithin(target, source)) return 'RenameIntoItselfError';
    if (!this.nodes.has(parentPath(target))) return 'FileNotFoundError';
    const existing = this.nodes.get(target);
    if (existing) {
      if (!overwrite) return 'FileAlreadyExistsError';
      if (existing.isDirectory !== node.isDirectory) return existing.isDirectory ? 'IsADirectoryError' : 'NotADirectoryError';
      if (this.#below(target).length > 0) return 'DirectoryNotEmptyError';
    }
    for (const path of [source, ...this.#below(source)]) {
      this.nodes.set(target + path.slice(source.length), this.nodes.get(path)!);
      this.nodes.delete(path);
    }
    return null;
  }

  #delete(path: string, recursive: boolean): unknown {
    if (path === '/') return 'InputOutputError';
    if (!this.nodes.has(path)) return false;
    const below = this.#below(path);
    if (below.length > 0 && !recursive) return 'DirectoryNotEmptyError';
    for (const gone of [path, ...below]) this.nodes.delete(gone);
    return true;
  }

  #makeParents(path: string, permissionBelow: (above: string) => number): void {
    const parent = parentPath(path);
    if (this.nodes.has(parent)) return;
    this.#makeParents(parent, permissionBelow);
    this.nodes.set(parent, { isDirectory: true, lengths: [], permission: permissionBelow(parentPath(parent)), replication: 3 });
  }

  #fileAbove(path: string): boolean {
    for (let above = parentPath(path); above !== '/'; above = parentPath(above)) if (this.nodes.get(above)?.isDirectory === false) return true;
    return false;
  }

  #below(path: string): string[] {
    return [...this.nodes.keys()].filter((other) => other !== path && isWithin(other, path));
  }
}

const blockSizeBytes = 1000;
const names = ['a', 'b', 'ü', 'a b'];
const path = fc.array(fc.constantFrom(...names), { minLength: 0, maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
/** Near the root, so that several are there in one directory. */
const shallow = fc.constantFrom('/a', '/b', '/ü', '/a b', '/a/b', '/none');
const anywhere = fc.oneof(path, shallow);
const lengths = fc.oneof({ weight: 5, arbitrary: fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant(Array.from({ length: 20 }, () => 1)) });

export const namespaceSteps: fc.Arbitrary<NamespaceStep[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('mkdirs' as const), path, createParents: fc.boolean() }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('write' as const), path: anywhere, lengths, overwrite: fc.boolean(), createParents: fc.boolean(), renameTo: fc.option(path, { nil: undefined }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('rename' as const), source: path, target: path, overwrite: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), path, recursive: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('append' as const), path: anywhere, lengthBytes: fc.integer({ min: 0, max: 2500 }), isClosed: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('truncate' as const), path: anywhere, newLengthBytes: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 3000 })) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('concat' as const), target: shallow, sources: fc.array(shallow, { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('recoverLease' as const), path }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('setPermission' as const), path, permission: fc.constantFrom(0o700, 0o1777, 0o444) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('setReplication' as const), path, replication: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'reclaim' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);

/** Does a step to the real namespace; answers what the model would. */
export async function perform(harness: NamespaceHarness, step: NamespaceStep): Promise<unknown> {
  const { root } = harness;
  try {
    switch (step.kind) {
      case 'mkdirs':
        return await root('fs.mkdirs', { path: step.path, permission: 0o755, createParents: step.createParents });
      case 'write':
        return await write(harness, step);
      case 'rename':
        return await root('fs.rename', { source: step.source, target: step.target, overwrite: step.overwrite });
      case 'delete':
        return await root('fs.delete', { path: step.path, recursive: step.recursive });
      case 'append':
        return await append(harness, step);
      case 'truncate': {
        const isDone = await root('fs.truncate', { path: step.path, newLengthBytes: step.newLengthBytes });
        await harness.recoverAll();
        return isDone;
      }
      case 'concat':
        return await root('fs.concat', { target: step.target, sources: step.sources });
      case 'recoverLease':
        return await root('fs.recoverLease', { path: step.path });
      case 'setPermission':
        return await root('fs.setPermission', { path: step.path, permission: step.permission });
      case 'setReplication':
        return await root('fs.setReplication', { path: step.path, replication: step.replication });
      case 'reclaim':
        await harness.reclaimAll();
        return null;
      case 'restart':
        return null;
    }
  } catch (error) {
    if (error instanceof DfsError) return error.name;
    throw error;
  }
}

async function append(harness: NamespaceHarness, { path, lengthBytes, isClosed }: NamespaceStep & { kind: 'append' }): Promise<null> {
  const { root } = harness;
  const { file, last } = await root('fs.append', { path });
  const { inodeId } = file;
  if (!isClosed) {
    await root('fs.recoverLease', { path });
    await harness.recoverAll();
    return null;
  }
  let blockIndex = (await root('fs.getBlockLocations', { path, offsetBytes: 0, lengthBytes: 1_000_000 })).blocks.length;
  let previous: ReturnType<typeof written> | null = last && written(last, last.block.lengthBytes);
  let left = lengthBytes;
  if (last && left > 0) {
    const { generationStamp } = await root('fs.updateBlockForPipeline', { inodeId, block: last.block });
    const renewed = { ...last, block: { ...last.block, generationStamp } };
    await root('fs.updatePipeline', { inodeId, previous: last.block, written: written(renewed, last.block.lengthBytes) });
    const taken = Math.min(left, blockSizeBytes - last.block.lengthBytes);
    previous = written(renewed, last.block.lengthBytes + taken);
    left -= taken;
  }
  while (left > 0) {
    const located = await root('fs.addBlock', { inodeId, previous, blockIndex: blockIndex++, excluded: [] });
    previous = written(located, Math.min(left, blockSizeBytes));
    left -= previous.block.lengthBytes;
  }
  await root('fs.complete', { inodeId, last: previous });
  return null;
}

async function write(harness: NamespaceHarness, step: NamespaceStep & { kind: 'write' }): Promise<null> {
  const { root } = harness;
  const { path, overwrite, createParents, renameTo } = step;
  const { file, block } = await root('fs.create', { path, permission: 0o644, overwrite, createParents, withBlock: step.lengths.length > 0 });
  let located = block;
  let previous: ReturnType<typeof written> | null = null;
  for (const [blockIndex, length] of step.lengths.entries()) {
    if (blockIndex > 0) located = await root('fs.addBlock', { inodeId: file.inodeId, previous, blockIndex, excluded: [] });
    previous = written(located!, length);
  }
  const complete = (target: string | undefined) => root('fs.complete', { inodeId: file.inodeId, last: previous, ...(target !== undefined && { renameTo: { path: target, overwrite: true } }) });
  try {
    await complete(renameTo);
  } catch (error) {
    // A completion that is refused changes nothing: the file can still be closed where it is.
    await complete(undefined);
    throw error;
  }
  return null;
}

/** Compares every path of the namespace with the model, by listing; and all records and blocks for what should not be there any more. */
export async function differences(harness: NamespaceHarness, model: NamespaceModel): Promise<string[]> {
  const found = new Map<string, string>();
  const wrong: string[] = [];
  const visit = async (directory: string) => {
    const { entries } = await harness.root('fs.getListing', { path: directory, limit: 10_000 });
    for (const [name, , kind, lengthBytes, replication, , , , permission] of entries) {
      const at = directory === '/' ? `/${name}` : `${directory}/${name}`;
      const { blocks } = kind === 1 ? { blocks: [] } : await harness.root('fs.getBlockLocations', { path: at, offsetBytes: 0, lengthBytes: 1_000_000 });
      blocks.reduce((end, { block, offsetBytes }) => {
        if (offsetBytes !== end) wrong.push(`${at}: a block at ${offsetBytes}, not ${end}`);
        return end + block.lengthBytes;
      }, 0);
      found.set(at, describe(kind === 1, blocks.map((block) => block.block.lengthBytes), permission, kind === 1 ? 3 : replication, lengthBytes));
      if (kind === 1) await visit(at);
    }
  };
  await visit('/');
  const expected = new Map([...model.nodes].filter(([at]) => at !== '/').map(([at, node]) => [at, describe(node.isDirectory, node.lengths, node.permission, node.replication, sum(node.lengths))]));
  for (const at of new Set([...found.keys(), ...expected.keys()])) if (found.get(at) !== expected.get(at)) wrong.push(`${at}: ${found.get(at)}, not ${expected.get(at)}`);

  await harness.reclaimAll();
  const nodes = [...model.nodes.values()];
  const files = nodes.filter((node) => !node.isDirectory);
  const blockCount = files.reduce((total, node) => total + node.lengths.length, 0);
  const count = (prefix: string) => [...harness.dump().keys()].filter((key) => key.startsWith(prefix)).length;
  const counters = harness.namespace.view.readCounters();
  const check = (what: string, actual: number, wanted: number) => {
    if (actual !== wanted) wrong.push(`${what}: ${actual}, not ${wanted}`);
  };
  check('inodes', count('I'), nodes.length);
  check('entries', count('E'), nodes.length - 1);
  check('blocks', count('B'), blockCount);
  check('leases', count('U'), 0);
  check('deletions', count('D'), 0);
  check('files counted', counters.fileCount, files.length);
  check('directories counted', counters.directoryCount, nodes.length - files.length);
  check('deletions counted', counters.pendingDeletionCount, 0);
  return wrong;
}

function describe(isDirectory: boolean, lengths: number[], permission: number, replication: number, lengthBytes: number): string {
  return `${isDirectory ? 'directory' : 'file'} ${permission.toString(8)} x${replication} ${lengthBytes} [${lengths.join(' ')}]`;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
