import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import { RecoveryInProgressError, UnsupportedError } from '../protocol/errors.js';
import type { Command } from './command.js';
import { isADirectory, noSuchFile, PathError, UsageError } from './command-errors.js';
import { numberFlag } from './flags.js';
import { expandDestination, isExisting } from './path-item.js';

const retryIntervalMs = 1000;

export const command: Command = {
  name: 'recoverLease',
  group: 'Files',
  summary: 'Close a file whose writer is gone',
  usage: '-path <path> [-retries <num-retries>]',
  flags: [
    { name: 'path', value: 'path', summary: 'The file' },
    { name: 'retries', value: 'num-retries', summary: 'How often to ask, a second apart, until it is closed; once if not said' },
  ],
  arguments: [],
  flagParsing: 'anywhere',
  description: 'Whoever still writes the file cannot go on. The name node closes files of writers that are gone by itself, but waits for the hard lease limit first.',
  examples: ['recoverLease -path /logs/app.log -retries 30'],
  async run(invocation, context) {
    const word = invocation.flags.get('path');
    if (typeof word !== 'string') throw new UsageError('You must supply a -path argument to recoverLease.');
    const tries = numberFlag(invocation, 'retries', 1);
    const item = await expandDestination(word, context);
    if (!isExisting(item)) throw noSuchFile(item);
    if (item.status.type === 'directory') throw isADirectory(item);
    if (!item.fileSystem.recoverLease) throw new PathError(UnsupportedError.entry, item, `${item.fileSystem.uri} has no leases`);
    for (let left = tries; left > 0; left--) {
      if (await item.fileSystem.recoverLease(item.path)) {
        context.sink.out(`recoverLease SUCCEEDED on ${escapeControls(item.shown)}`);
        context.sink.record({ path: item.path });
        return 0;
      }
      if (left > 1) await sleep(context.clock, retryIntervalMs, context.signal);
    }
    throw new RecoveryInProgressError(`recoverLease on ${item.shown} has begun, and is not done after ${tries === 1 ? '1 try' : `${tries} tries`}; ask again, or with -retries`, { path: item.path });
  },
};
