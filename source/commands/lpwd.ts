import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';

export const command: Command = {
  name: 'lpwd',
  group: 'Shell',
  summary: 'Print the local directory',
  usage: '',
  flags: [],
  arguments: [],
  needsNameNode: false,
  async run(_invocation, { session, sink }) {
    sink.record({ path: session.localDirectory });
    sink.out(escapeControls(session.localDirectory));
    return 0;
  },
};
