import { open, type FileHandle } from 'node:fs/promises';
import { type Clock, sleep } from '../base/clock.js';

const chunkBytes = 64 * 1024;
const pollMs = 200;

/** The last `lineCount` lines of a file, read from its end; of what stands behind `fromBytes`, if said. [] if there is no file. */
export async function lastLines(path: string, lineCount: number, fromBytes = 0): Promise<string[]> {
  const file = await openIfThere(path);
  if (!file) return [];
  try {
    let begin = (await file.stat()).size;
    let text: Buffer = Buffer.alloc(0);
    // One newline more than lines: that of the line before the first one wanted.
    while (begin > fromBytes && countNewlines(text) <= lineCount) {
      const length = Math.min(chunkBytes, begin - fromBytes);
      begin -= length;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, begin);
      text = Buffer.concat([buffer.subarray(0, bytesRead), text]);
    }
    const lines = text.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lineCount === 0 ? [] : lines.slice(-lineCount);
  } finally {
    await file.close();
  }
}

function countNewlines(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) count++;
  return count;
}

/** The whole lines that are appended from now on, until the signal aborts. A file that is replaced or cut is read from its begin. */
export async function* followLines(path: string, { clock, signal }: { clock: Clock; signal: AbortSignal }): AsyncGenerator<string> {
  let file = await openIfThere(path);
  try {
    let position = file ? await endOfLastLine(file) : 0;
    let identity = file ? (await file.stat()).ino : 0;
    let rest: Buffer = Buffer.alloc(0);
    while (!signal.aborted) {
      const current = await openIfThere(path);
      if (current) {
        const { ino, size } = await current.stat();
        if (ino !== identity || size < position) {
          position = 0;
          rest = Buffer.alloc(0);
        }
        identity = ino;
        await file?.close();
        file = current;
        for (;;) {
          const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
          if (bytesRead === 0) break;
          position += bytesRead;
          rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
          const end = rest.lastIndexOf(10);
          if (end < 0) continue;
          yield* rest.toString('utf8', 0, end).split('\n');
          rest = rest.subarray(end + 1);
        }
      }
      await sleep(clock, pollMs, signal).catch(() => {});
    }
  } finally {
    await file?.close();
  }
}

/** Bytes up to and with the last newline: a line that is being written is still to come as a whole. */
async function endOfLastLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const begin = Math.max(0, size - chunkBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - begin), 0, size - begin, begin);
  return begin + buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
