import { join } from 'node:path';
import { crc32 } from '../base/checksum.js';
import { type Disk, isAbsent } from './disk.js';

/**
 * Small files of lines, such as VERSION, which are replaced as a whole:
 *
 *     MAGIC VERSION
 *     key=value            as many as there are
 *     checksum=1c291ca3    CRC-32 of the lines above
 */
export interface SmallFileFormat {
  magic: string;
  version: number;
}

const maxBytes = 4096;

/** What is wrong with a file: damaged, or of a version that this program does not know. */
export type SmallFileFault = { kind: 'damaged'; reason: string } | { kind: 'version'; version: string };

/** The values by key, or what is wrong; undefined if there is no file. Rejects with the disk's own error. */
export async function readSmallFile(disk: Disk, path: string, format: SmallFileFormat): Promise<ReadonlyMap<string, string> | SmallFileFault | undefined> {
  let text: string;
  try {
    const file = await disk.open(path, 'read');
    try {
      const bytes = Buffer.alloc(maxBytes);
      text = bytes.toString('utf8', 0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  const first = /^(\S+) (\d+)\n/.exec(text);
  if (first?.[1] !== format.magic) return { kind: 'damaged', reason: `it does not begin with "${format.magic}"` };
  if (Number(first[2]) !== format.version) return { kind: 'version', version: first[2]! };
  const body = /^(.*\n)checksum=([0-9a-f]{8})\n$/s.exec(text);
  if (!body || crc32(Buffer.from(body[1]!)) !== Number.parseInt(body[2]!, 16)) return { kind: 'damaged', reason: 'its checksum is wrong' };
  return new Map(body[1]!.split('\n').slice(1, -1).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** Replaces the file, by way of `NAME.tmp`, as one step that a power cut cannot undo. */
export async function replaceSmallFile(
  disk: Disk,
  { directory, name }: { directory: string; name: string },
  format: SmallFileFormat,
  values: Readonly<Record<string, string | number>>,
): Promise<void> {
  const lines = `${format.magic} ${format.version}\n${Object.entries(values).map(([key, value]) => `${key}=${value}\n`).join('')}`;
  const checksum = crc32(Buffer.from(lines)).toString(16).padStart(8, '0');
  const temporary = join(directory, `${name}.tmp`);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(Buffer.from(`${lines}checksum=${checksum}\n`), 0);
    await file.dataSync();
  } finally {
    await file.close();
  }
  await disk.rename({ source: temporary, target: join(directory, name) });
  await disk.syncDirectory(directory);
}
