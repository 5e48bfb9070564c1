/**
 * The lowest seam: what the block store needs of a file system, and no more, so that a simulated disk (torn and lost writes, ENOSPC,
 * EIO, power cuts) can run the real LocalBlockStore.
 *
 * Paths are absolute. Files are made with mode 0600, directories with 0700. A failure rejects with an Error that has the system's
 * `code` (ENOENT, ENOSPC, EIO, EMFILE, EROFS, ...): see diskErrorCode.
 *
 * What a power cut leaves: of a file what was written before its last dataSync; of a directory the entries as they were at its last
 * syncDirectory. Anything later may be there, in part, or not; but a rename is there wholly, in both directories, or not at all,
 * and so is each sector of 512 bytes that is written.
 */
export interface Disk {
  /** `create` makes the file, or empties the one that is there; `write` and `read` need it to exist. */
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  /** Replaces the target if there is one, as one step. */
  rename(paths: { source: string; target: string }): Promise<void>;
  unlink(path: string): Promise<void>;
  /** With its parents; fine if it is there. */
  makeDirectory(path: string): Promise<void>;
  /** In no particular order. */
  readDirectory(path: string): Promise<DiskEntry[]>;
  /** Length of a file in bytes. */
  readSize(path: string): Promise<number>;
  /** When it resolves, the entries of the directory as they were at the call are on disk for good. */
  syncDirectory(path: string): Promise<void>;
  readSpace(path: string): Promise<DiskSpace>;
  /** Takes the directory for this process; StorageLockedError if another one, or another part of this one, has it. */
  lock(path: string): Promise<DiskLock>;
}

export type OpenMode = 'read' | 'write' | 'create';

export interface DiskFile {
  /** Reads at a position until `target` is full or the file ends. Resolves to how many bytes it read. */
  read(target: Uint8Array, positionBytes: number): Promise<number>;
  /**
   * Writes all of `bytes` at a position. They must not change before it resolves. `isDiskPrompt`: the disk answers at once these days, so
   * that the whole process may wait for a small write; without it nobody waits but the caller.
   */
  write(bytes: Uint8Array, positionBytes: number, isDiskPrompt?: boolean): Promise<void>;
  truncate(lengthBytes: number): Promise<void>;
  /**
   * When it resolves, every write that had resolved before the call, and the length, are on disk for good. After a failure nothing is
   * known of those writes, and a second call lies (the kernel has marked the pages clean): never retry it.
   */
  dataSync(): Promise<void>;
  /** After all other calls have ended. `isDiskPrompt` as for a write. */
  close(isDiskPrompt?: boolean): Promise<void>;
}

export interface DiskEntry {
  name: string;
  isDirectory: boolean;
}

export interface DiskSpace {
  totalBytes: number;
  /** What this process may still write. */
  availableBytes: number;
}

export interface DiskLock {
  release(): Promise<void>;
}

/** `ENOENT`, `EIO`, ...; undefined for anything that is no failure of a disk. */
export function diskErrorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** True if the file or directory was not there. */
export function isAbsent(error: unknown): boolean {
  return diskErrorCode(error) === 'ENOENT';
}
