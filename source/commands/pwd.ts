import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';

export const command: Command = {
  name: 'pwd',
  group: 'Shell',
  summary: 'Print the working directory',
  usage: '',
  flags: [],
  arguments: [],
  needsNameNode: false,
  async run(_invocation, { session, sink }) {
    sink.record({ path: session.workingDirectory });
    sink.out(escapeControls(session.workingDirectory));
    return 0;
  },
};
