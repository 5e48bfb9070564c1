import { formatReport } from '../base/size.js';
import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';
import { UsageError } from './command-errors.js';
import type { SavedNamespaceRecord } from './records.js';

export const command: Command = {
  name: 'saveNamespace',
  group: 'Cluster',
  summary: 'Write a backup of the name space beside its store',
  usage: '',
  flags: [],
  isAdmin: true,
  arguments: [],
  description:
    'Only in safe mode. Every change is on disk anyway; this makes a checked copy in one file, in namenode-image of the name node\'s data_dir, of which the last two are kept. dfsh namenode backup writes one elsewhere, at any time; dfsh namenode restore brings it back.',
  examples: ['safemode enter && saveNamespace && safemode leave'],
  async run(invocation, context) {
    if (invocation.operands.length > 0) throw new UsageError('saveNamespace takes no operands');
    const client = await context.client();
    const { path, sizeBytes, lastEditId } = await client.saveNamespace();
    const record: SavedNamespaceRecord = { path, bytes: sizeBytes, lastEditId };
    context.sink.record(record);
    context.sink.out('Save namespace successful');
    context.sink.notice?.(`edit ${lastEditId}, ${formatReport(sizeBytes)} in ${escapeControls(path)}`);
    return 0;
  },
};
