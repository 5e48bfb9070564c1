import type { Command } from './command.js';
import { remove, rmFlags } from './rm.js';

export const command: Command = {
  name: 'rmr',
  group: 'Files',
  summary: 'The old name of rm -r',
  usage: '[-f] [-skipTrash] <src> ...',
  flags: rmFlags,
  arguments: [{ name: 'src', kind: 'remote-path', isRepeated: true }],
  run(invocation, context) {
    const { sink } = context;
    if (!sink.isJson) (sink.notice ?? sink.err).call(sink, "rmr: DEPRECATED: Please use '-rm -r' instead.");
    return remove(invocation, context, { isRecursive: true });
  },
};
