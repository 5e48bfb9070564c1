import type { Command } from './command.js';
import { putFlags, runPut } from './put.js';

export const command: Command = {
  name: 'moveFromLocal',
  group: 'Files',
  summary: 'Like put, and delete the local source',
  usage: '<localsrc> ... <dst>',
  flags: putFlags,
  arguments: [
    { name: 'localsrc', kind: 'local-path', isRepeated: true },
    { name: 'dst', kind: 'remote-path', isOptional: true },
  ],
  description: 'A source is deleted when its copy is durable. Directories that are there already are not merged into.',
  examples: ['moveFromLocal access.log /logs'],
  run: (invocation, context) => runPut(invocation, context, { isMove: true }),
};
