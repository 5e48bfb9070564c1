import { crc32 } from '../base/checksum.js';
import { baseName, joinPath, parentPath } from '../base/path.js';
import type { ByteSink, CreateFileOptions, FileSystem } from './file-system.js';

const chunkBytes = 512;
/** Of checksums: those of 4 MiB of data. */
const bufferBytes = 32 * 1024;

/** `/d/f`: `/d/.f.crc` */
export function checksumPath(path: string): string {
  return joinPath(parentPath(path), `.${baseName(path)}.crc`);
}

/**
 * `local`, but every file that is created gets Hadoop's checksum file beside it (org.apache.hadoop.fs.ChecksumFileSystem):
 *
 *       0       3     4                 8
 *      +-------+-----+-----------------+----------------------------------------------+
 *      | "crc" | \0  | 512, big-endian | CRC-32 of each 512 bytes, big-endian, ...    |
 *      +-------+-----+-----------------+----------------------------------------------+
 *
 * An old one goes before the file gets its name, and the new one comes after that: what is there is never the checksum of other bytes.
 */
export function withChecksumFiles(local: FileSystem): FileSystem {
  return {
    uri: local.uri,
    capabilities: local.capabilities,
    stat: (path) => local.stat(path),
    find: (path) => local.find(path),
    list: (path, options) => local.list(path, options),
    open: (path, options) => local.open(path, options),
    create: (path, options) => createWithChecksums(local, path, options),
    mkdirs: (path, options) => local.mkdirs(path, options),
    rename: (source, target, options) => local.rename(source, target, options),
    delete: (path, options) => local.delete(path, options),
    setPermission: (path, permission) => local.setPermission(path, permission),
    setOwner: (path, owner) => local.setOwner(path, owner),
    setTimes: (path, times) => local.setTimes(path, times),
  };
}

async function createWithChecksums(local: FileSystem, path: string, options: CreateFileOptions = {}): Promise<ByteSink> {
  const data = await local.create(path, options);
  let checksums: ChecksumWriter;
  try {
    checksums = new ChecksumWriter(await local.create(checksumPath(path), { overwrite: true, signal: options.signal }));
  } catch (error) {
    await data.abort();
    throw error;
  }
  let acquired: Uint8Array | undefined;
  return {
    async write(bytes) {
      await checksums.add(bytes);
      await data.write(bytes);
    },
    async acquire() {
      return (acquired = await data.acquire());
    },
    async commit(lengthBytes) {
      await checksums.add(acquired!.subarray(0, lengthBytes));
      await data.commit(lengthBytes);
    },
    async close() {
      try {
        await local.delete(checksumPath(path));
        const result = await data.close();
        await checksums.close();
        return result;
      } catch (error) {
        await Promise.all([data.abort(), checksums.abort()]);
        throw error;
      }
    },
    async abort() {
      await Promise.all([data.abort(), checksums.abort()]);
    },
  };
}

class ChecksumWriter {
  readonly #sink: ByteSink;
  readonly #buffer = Buffer.alloc(bufferBytes);
  #used: number;
  /** Of the chunk that is not full yet. */
  #checksum = 0;
  #chunkUsed = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
    this.#used = this.#buffer.write('crc\0', 'latin1');
    this.#used = this.#buffer.writeUInt32BE(chunkBytes, this.#used);
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + chunkBytes - this.#chunkUsed);
      this.#checksum = crc32(bytes.subarray(at, end), this.#checksum);
      this.#chunkUsed += end - at;
      at = end;
      if (this.#chunkUsed === chunkBytes) await this.#endChunk();
    }
  }

  async close(): Promise<void> {
    if (this.#chunkUsed > 0) await this.#endChunk();
    await this.#flush();
    await this.#sink.close();
  }

  abort(): Promise<void> {
    return this.#sink.abort();
  }

  async #endChunk(): Promise<void> {
    if (this.#used + 4 > bufferBytes) await this.#flush();
    this.#used = this.#buffer.writeUInt32BE(this.#checksum, this.#used);
    this.#checksum = 0;
    this.#chunkUsed = 0;
  }

  async #flush(): Promise<void> {
    await this.#sink.write(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
