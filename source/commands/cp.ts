import type { Command } from './command.js';
import { copyPaths } from './copy-paths.js';
import { numberFlag } from './flags.js';
import { expandDestination } from './path-item.js';

export const command: Command = {
  name: 'cp',
  group: 'Files',
  summary: 'Copy inside the file system',
  usage: '[-f] [-p | -p[topax]] [-d] [-t <threads>] [-q <queue>] <src> ... <dst>',
  flags: [
    { name: 'f', summary: 'Overwrite what is there' },
    { name: 'p', letters: 'topax', summary: 'Keep times, owner and mode; or only those of t, o, p' },
    { name: 'd', summary: 'Write under the real name at once, without a temporary file' },
    { name: 't', value: 'threads', summary: 'Files in progress at a time' },
    { name: 'q', value: 'queue', summary: "Taken for HDFS's sake; there is no queue" },
  ],
  arguments: [
    { name: 'src', kind: 'remote-path', isRepeated: true },
    { name: 'dst', kind: 'remote-path' },
  ],
  description: 'Directories are copied with all that is in them; into the destination, if that is a directory. Several sources need one.',
  examples: ['cp /a /b', "cp -p '/logs/*' /archive"],
  run(invocation, context) {
    const { flags, operands } = invocation;
    const kept = flags.get('p');
    const keeps = (letter: string) => kept === true || (typeof kept === 'string' && kept.includes(letter));
    const threads = flags.has('t') ? numberFlag(invocation, 't', 1) : undefined;
    return expandDestination(operands.at(-1)!, context).then((destination) =>
      copyPaths(invocation, context, {
        operation: 'cp',
        sourceSide: 'remote',
        words: operands.slice(0, -1),
        destination,
        overwrite: flags.has('f'),
        preserve: kept === undefined ? undefined : { times: keeps('t'), owner: keeps('o'), permission: keeps('p') },
        isDirect: flags.has('d'),
        threads,
      }),
    );
  },
};
