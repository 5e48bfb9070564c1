import { assert } from '../base/assert.js';
import type { CommandEntry, CommandRegistry, CommandSpec } from './command.js';

type Group = CommandSpec['group'];

/** The code of all commands comes with the first that is used. */
function entry(name: string, aliases: string[], group: Group, summary: string): CommandEntry {
  const load = async () => {
    const { commands } = await import('./all-commands.js');
    const command = commands.find((one) => one.name === name);
    assert(command, `the registry's ${name} is a command`);
    return command;
  };
  return { name, aliases, group, summary, load };
}

/** Every command, in the order of `help`: one line each. */
const entries: CommandEntry[] = [
  entry('ls', [], 'Files', 'List files and directories'),
  entry('find', [], 'Files', 'List what lies below a path and matches an expression'),
  entry('cat', [], 'Files', 'Print files'),
  entry('text', [], 'Files', 'Print files as text, unpacking gzip'),
  entry('head', [], 'Files', 'Print the first kilobyte of a file'),
  entry('tail', [], 'Files', 'Print the last kilobyte of a file, and follow it'),
  entry('put', ['copyFromLocal'], 'Files', 'Copy local files and directories into the file system'),
  entry('get', ['copyToLocal'], 'Files', 'Copy files and directories to this machine'),
  entry('moveFromLocal', [], 'Files', 'Like put, and delete the local source'),
  entry('moveToLocal', [], 'Files', 'Like get, and delete the source'),
  entry('cp', [], 'Files', 'Copy inside the file system'),
  entry('mv', [], 'Files', 'Rename, or move into a directory'),
  entry('mkdir', [], 'Files', 'Make directories'),
  entry('touchz', [], 'Files', 'Make empty files'),
  entry('touch', [], 'Files', 'Set the times of files, making those that are missing'),
  entry('rm', [], 'Files', 'Delete files and directories, into the trash'),
  entry('rmr', [], 'Files', 'The old name of rm -r'),
  entry('rmdir', [], 'Files', 'Remove empty directories'),
  entry('stat', [], 'Files', 'Print what is known of a path, in a format'),
  entry('test', [], 'Files', 'Answer a question about a path by the exit code'),
  entry('checksum', [], 'Files', 'Print the checksum of files'),
  entry('chmod', [], 'Files', 'Change modes'),
  entry('chown', [], 'Files', 'Change owners and groups'),
  entry('chgrp', [], 'Files', 'Change groups'),
  entry('setrep', [], 'Files', 'Set how many copies a file has'),
  entry('du', [], 'Space', 'Print how much space paths take'),
  entry('df', [], 'Space', 'Print the space of the file system'),
  entry('count', [], 'Space', 'Count directories, files and bytes'),
  entry('report', [], 'Cluster', 'Print the state of the cluster and of its data nodes'),
  entry('fsck', [], 'Cluster', 'Check the blocks of files'),
  entry('safemode', [], 'Cluster', 'Ask for safe mode, enter it or leave it'),
  entry('cluster', [], 'Cluster', 'Start, stop and show the cluster on this machine'),
  entry('node', [], 'Cluster', 'Add a data node on this machine; start, stop or kill a node'),
  entry('logs', [], 'Cluster', "Print the last lines of a node's log, and follow it"),
  entry('watch', [], 'Cluster', 'Repeat a command, or follow the cluster'),
  entry('cd', [], 'Shell', 'Change the working directory'),
  entry('pwd', [], 'Shell', 'Print the working directory'),
  entry('lcd', [], 'Shell', 'Change the local directory'),
  entry('lpwd', [], 'Shell', 'Print the local directory'),
  entry('lls', [], 'Shell', 'List local files'),
  entry('history', [], 'Shell', 'List the lines that were typed before'),
  entry('help', [], 'Shell', 'Explain commands'),
  entry('usage', [], 'Shell', 'Print how commands are called'),
  entry('exit', ['quit'], 'Shell', 'Leave the shell'),
];

export const registry: CommandRegistry = createRegistry(entries);

export function createRegistry(all: readonly CommandEntry[]): CommandRegistry {
  const byName = new Map<string, CommandEntry>();
  for (const one of all) for (const name of [one.name, ...one.aliases]) byName.set(name, one);
  return {
    entries: all,
    find: (name) => byName.get(name),
    loadAll: () => Promise.all(all.map((one) => one.load())),
  };
}
