import type { Command, CommandContext } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import type { PathItem } from './path-item.js';
import { printFile } from './print-file.js';
import { InputOutputError } from '../protocol/errors.js';

export const command: Command = {
  name: 'text',
  group: 'Files',
  summary: 'Print files as text, unpacking gzip',
  usage: '<src> ...',
  flags: [{ name: 'ignoreCrc', summary: "Taken for HDFS's sake; bytes are always checked" }],
  arguments: [{ name: 'src', kind: 'remote-path', isRepeated: true }],
  description: 'A file that begins as gzip does is unpacked, whatever its name; every other one is printed as it is.',
  examples: ['text /logs/2026-11-22.gz'],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      if (await isGzip(item, context)) await unpack(item, context);
      else await printFile(item, context);
    });
    return run.exitCode;
  },
};

async function isGzip(item: PathItem, context: CommandContext): Promise<boolean> {
  const source = await item.fileSystem.open(item.path, { lengthBytes: 2, signal: context.signal });
  const magic: number[] = [];
  try {
    for (let chunk = await source.read(); chunk; chunk = await source.read()) {
      magic.push(...chunk.bytes);
      chunk.release();
    }
  } finally {
    await source.close();
  }
  return magic[0] === 0x1f && magic[1] === 0x8b;
}

async function unpack(item: PathItem, context: CommandContext): Promise<void> {
  const [{ Readable }, { pipeline }, { createGunzip }] = await Promise.all([
    import('node:stream'),
    import('node:stream/promises'),
    import('node:zlib'),
  ]);
  const write = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) await context.sink.write(chunk);
  };
  try {
    await pipeline(Readable.from(packedBytes(item, context)), createGunzip(), write, { signal: context.signal });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('Z_'))
      throw new InputOutputError(`${item.path} is no whole gzip file (${(error as Error).message}); cat prints its bytes`, {
        path: item.path,
        cause: error,
      });
    throw error;
  }
}

async function* packedBytes(item: PathItem, context: CommandContext): AsyncIterable<Uint8Array> {
  const source = await item.fileSystem.open(item.path, { signal: context.signal });
  try {
    for (let chunk = await source.read(); chunk; chunk = await source.read()) {
      // A copy: the stream may still hold it when the buffer is used again.
      yield Uint8Array.prototype.slice.call(chunk.bytes);
      chunk.release();
    }
  } finally {
    await source.close();
  }
}
