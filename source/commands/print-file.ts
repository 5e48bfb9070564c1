import type { ByteSource } from '../filesystem/file-system.js';
import type { CommandContext } from './command.js';
import type { PathItem } from './path-item.js';

/** Writes a file's bytes, or a part of them, to standard output, as they are. */
export async function printFile(item: PathItem, context: CommandContext, range: { startBytes?: number; lengthBytes?: number } = {}): Promise<number> {
  return printSource(await item.fileSystem.open(item.path, { ...range, signal: context.signal }), context);
}

/** Writes what a source still has, and closes it. */
export async function printSource(source: ByteSource, context: CommandContext): Promise<number> {
  let bytes = 0;
  try {
    for (;;) {
      context.signal.throwIfAborted();
      const chunk = await source.read();
      if (!chunk) return bytes;
      try {
        await context.sink.write(chunk.bytes);
        bytes += chunk.bytes.byteLength;
      } finally {
        chunk.release();
      }
    }
  } finally {
    await source.close();
  }
}
