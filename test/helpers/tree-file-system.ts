import { baseName, joinPath, parentPath } from '../../source/base/path.js';
import type { ByteSink, ByteSource, CreateFileOptions, FileSystem } from '../../source/filesystem/file-system.js';
import { compareBytes } from '../../source/filesystem/names.js';
import { FileAlreadyExistsError, FileNotFoundError } from '../../source/protocol/errors.js';
import type { FileStatus } from '../../source/protocol/file-status.js';

type Operation = 'find' | 'list' | 'open' | 'read' | 'create' | 'write' | 'close' | 'mkdirs' | 'delete';

/** Files in memory, with failures and names that no real file system would give: for what a copy or a glob makes of them. */
export class TreeFileSystem implements FileSystem {
  readonly uri = 'tree://';
  readonly capabilities = { hasPermissions: true, hasReplication: false };
  /** What was listed, in order, and how many entries were taken. */
  readonly listed: string[] = [];
  entriesListed = 0;
  readonly #nodes = new Map<string, { type: 'file' | 'directory'; text: string }>([['/', { type: 'directory', text: '' }]]);
  readonly #failures = new Map<string, Error>();
  /** Names that a listing of a directory has besides the real ones. */
  readonly extraNames = new Map<string, string[]>();

  constructor(files: Record<string, string> = {}) {
    for (const [path, text] of Object.entries(files)) {
      for (let directory = parentPath(path); directory !== '/'; directory = parentPath(directory)) this.#nodes.set(directory, { type: 'directory', text: '' });
      this.#nodes.set(path, { type: path.endsWith('/') ? 'directory' : 'file', text });
    }
  }

  /** From now on, `operation` on `path` fails. */
  fail(operation: Operation, path: string, error: Error): void {
    this.#failures.set(`${operation} ${path}`, error);
  }

  /** Every file with its text. */
  get files(): Record<string, string> {
    return Object.fromEntries([...this.#nodes].filter(([, { type }]) => type === 'file').map(([path, { text }]) => [path, text]));
  }

  get directories(): string[] {
    return [...this.#nodes].filter(([, { type }]) => type === 'directory').map(([path]) => path);
  }

  async find(path: string): Promise<FileStatus | null> {
    this.#check('find', path);
    const node = this.#nodes.get(path);
    return node ? this.#status(path, node) : null;
  }

  async stat(path: string): Promise<FileStatus> {
    const status = await this.find(path);
    if (!status) throw new FileNotFoundError(`${path}: No such file or directory`, { path });
    return status;
  }

  async *list(path: string): AsyncIterable<FileStatus> {
    this.#check('list', path);
    this.listed.push(path);
    const names = [...this.#nodes.keys()].filter((one) => one !== '/' && parentPath(one) === path).map(baseName);
    for (const name of [...names, ...(this.extraNames.get(path) ?? [])].sort(compareBytes)) {
      this.entriesListed++;
      yield { ...this.#status(name, this.#nodes.get(joinPath(path, name)) ?? { type: 'file', text: 'unreal' }), name };
    }
  }

  async open(path: string): Promise<ByteSource> {
    this.#check('open', path);
    const status = await this.stat(path);
    const text = this.#nodes.get(path)!.text;
    let isRead = text === '';
    return {
      status,
      read: async () => {
        this.#check('read', path);
        if (isRead) return null;
        isRead = true;
        return { bytes: Buffer.from(text), release() {} };
      },
      async close() {},
    };
  }

  async create(path: string, options: CreateFileOptions = {}): Promise<ByteSink> {
    this.#check('create', path);
    if (!this.#nodes.has(parentPath(path))) throw new FileNotFoundError(`${parentPath(path)}: No such file or directory`, { path: parentPath(path) });
    if (this.#nodes.has(path) && !options.overwrite) throw new FileAlreadyExistsError(`${path}: File exists`, { path });
    const parts: Buffer[] = [];
    const buffer = Buffer.alloc(64);
    const write = async (bytes: Uint8Array) => {
      this.#check('write', path);
      parts.push(Buffer.from(bytes));
    };
    return {
      write,
      acquire: async () => buffer,
      commit: (length) => write(buffer.subarray(0, length)),
      close: async () => {
        this.#check('close', path);
        const node = { type: 'file' as const, text: Buffer.concat(parts).toString() };
        this.#nodes.set(path, node);
        return { status: this.#status(path, node), degraded: [] };
      },
      async abort() {},
    };
  }

  async mkdirs(path: string): Promise<boolean> {
    this.#check('mkdirs', path);
    this.#nodes.set(path, { type: 'directory', text: '' });
    return true;
  }

  async rename(): Promise<void> {}

  async delete(path: string): Promise<boolean> {
    this.#check('delete', path);
    return this.#nodes.delete(path);
  }

  async setPermission(): Promise<void> {}
  async setOwner(): Promise<void> {}
  async setTimes(): Promise<void> {}

  #check(operation: Operation, path: string): void {
    const error = this.#failures.get(`${operation} ${path}`);
    if (error) throw error;
  }

  #status(path: string, { type, text }: { type: 'file' | 'directory'; text: string }): FileStatus {
    return {
      name: baseName(path),
      inodeId: [...path].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) % 1_000_003, 7) + 1,
      type,
      lengthBytes: Buffer.byteLength(text),
      replication: type === 'file' ? 1 : 0,
      blockSizeBytes: 0,
      modificationTimeMs: 0,
      accessTimeMs: 0,
      permission: 0o644,
      owner: 'tester',
      group: 'tester',
      isUnderConstruction: false,
    };
  }
}
