import type { Command } from './command.js';
import { getFlags, runGet } from './get.js';

export const command: Command = {
  name: 'moveToLocal',
  group: 'Files',
  summary: 'Like get, and delete the source',
  usage: '<src> ... <localdst>',
  flags: getFlags,
  arguments: [
    { name: 'src', kind: 'remote-path', isRepeated: true },
    { name: 'localdst', kind: 'local-path', isOptional: true },
  ],
  description: 'A source is deleted when its copy is complete; not into the trash. Directories that are there already are not merged into.',
  examples: ['moveToLocal /results/part-0 .'],
  run: (invocation, context) => runGet(invocation, context, { isMove: true }),
};
