import { systemClock } from './base/clock.js';
import { formatReport } from './base/size.js';
import { counted } from './base/text.js';
import type { Arguments } from './cli.js';
import { backUpNameNode, nameNodeDirectory, restoreNameNode } from './compose-backup.js';
import { readConfig } from './program.js';

export { describeFailure } from './program.js';

/** `dfsh namenode backup FILE|DIR`: beside a name node that runs, or without one. */
export async function backup(values: Arguments, target: string): Promise<number> {
  const { dataDirectory } = await readConfig(values);
  const { clusterId, lastEditId, fileCount, directoryCount, path, recordCount, sizeBytes, isNew } = await backUpNameNode(nameNodeDirectory(dataDirectory), target);
  const what = `cluster ${clusterId} at edit ${lastEditId}, ${counted(fileCount, 'file')} and ${counted(directoryCount, 'directory', 'directories')}`;
  process.stdout.write(`${isNew ? 'backed up' : 'backed up before'}: ${what}, ${counted(recordCount, 'record')}, ${formatReport(sizeBytes)} in ${path}\n`);
  return 0;
}

/** `dfsh namenode restore FILE [--replace]`: with no name node running. */
export async function restore(values: Arguments, image: string): Promise<number> {
  const { dataDirectory } = await readConfig(values);
  const directory = nameNodeDirectory(dataDirectory);
  const { clusterId, lastEditId, fileCount, directoryCount, replaced } = await restoreNameNode({ directory, image, isReplaceWanted: values.replace ?? false, clock: systemClock });
  const lines = [
    `restored: cluster ${clusterId} at edit ${lastEditId}, ${counted(fileCount, 'file')} and ${counted(directoryCount, 'directory', 'directories')}, in ${directory}`,
    ...(replaced ? [`the store that was there is kept as ${replaced}`] : []),
    'start the name node and look at fsck /: files whose blocks were deleted after the backup are reported missing, and what was written after it is gone',
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  return 0;
}
