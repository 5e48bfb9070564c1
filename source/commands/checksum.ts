import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import type { ChecksumRecord } from './records.js';

export const command: Command = {
  name: 'checksum',
  group: 'Files',
  summary: 'Print the checksum of files',
  usage: '<src> ...',
  flags: [],
  arguments: [{ name: 'src', kind: 'remote-path', isRepeated: true }],
  description: "HDFS's MD5 of MD5s of CRC-32C, computed by the data nodes from the bytes on their disks.",
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      const { algorithm, bytes } = await (await context.client()).getFileChecksum(item.path, { signal: context.signal });
      const record: ChecksumRecord = { path: item.path, algorithm, checksum: Buffer.from(bytes).toString('hex') };
      context.sink.record(record);
      context.sink.out(`${escapeControls(item.shown)}\t${algorithm}\t${record.checksum}`);
    });
    return run.exitCode;
  },
};
