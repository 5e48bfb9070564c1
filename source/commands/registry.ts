import type { Command, CommandEntry, CommandRegistry, CommandSpec } from './command.js';

type Group = CommandSpec['group'];

/** `module` is loaded on the command's first use: a one-shot pays for its own command only. */
function entry(name: string, aliases: string[], group: Group, summary: string, module: () => Promise<{ command: Command }>): CommandEntry {
  return { name, aliases, group, summary, load: async () => (await module()).command };
}

/** Every command, in the order of `help`: one line each. */
const entries: CommandEntry[] = [
  entry('ls', [], 'Files', 'List files and directories', () => import('./ls.js')),
  entry('find', [], 'Files', 'List what lies below a path and matches an expression', () => import('./find.js')),
  entry('cat', [], 'Files', 'Print files', () => import('./cat.js')),
  entry('text', [], 'Files', 'Print files as text, unpacking gzip', () => import('./text.js')),
  entry('head', [], 'Files', 'Print the first kilobyte of a file', () => import('./head.js')),
  entry('tail', [], 'Files', 'Print the last kilobyte of a file, and follow it', () => import('./tail.js')),
  entry('put', ['copyFromLocal'], 'Files', 'Copy local files and directories into the file system', () => import('./put.js')),
  entry('get', ['copyToLocal'], 'Files', 'Copy files and directories to this machine', () => import('./get.js')),
  entry('moveFromLocal', [], 'Files', 'Like put, and delete the local source', () => import('./move-from-local.js')),
  entry('moveToLocal', [], 'Files', 'Like get, and delete the source', () => import('./move-to-local.js')),
  entry('cp', [], 'Files', 'Copy inside the file system', () => import('./cp.js')),
  entry('mv', [], 'Files', 'Rename, or move into a directory', () => import('./mv.js')),
  entry('mkdir', [], 'Files', 'Make directories', () => import('./mkdir.js')),
  entry('touchz', [], 'Files', 'Make empty files', () => import('./touchz.js')),
  entry('touch', [], 'Files', 'Set the times of files, making those that are missing', () => import('./touch.js')),
  entry('rm', [], 'Files', 'Delete files and directories, into the trash', () => import('./rm.js')),
  entry('rmr', [], 'Files', 'The old name of rm -r', () => import('./rmr.js')),
  entry('rmdir', [], 'Files', 'Remove empty directories', () => import('./rmdir.js')),
  entry('appendToFile', [], 'Files', 'Append local files to a file', () => import('./append-to-file.js')),
  entry('truncate', [], 'Files', 'Cut files to a length', () => import('./truncate.js')),
  entry('concat', [], 'Files', 'Append files to another without copying, and remove them', () => import('./concat.js')),
  entry('recoverLease', [], 'Files', 'Close a file whose writer is gone', () => import('./recover-lease.js')),
  entry('stat', [], 'Files', 'Print what is known of a path, in a format', () => import('./stat.js')),
  entry('test', [], 'Files', 'Answer a question about a path by the exit code', () => import('./test.js')),
  entry('checksum', [], 'Files', 'Print the checksum of files', () => import('./checksum.js')),
  entry('chmod', [], 'Files', 'Change modes', () => import('./chmod.js')),
  entry('chown', [], 'Files', 'Change owners and groups', () => import('./chown.js')),
  entry('chgrp', [], 'Files', 'Change groups', () => import('./chgrp.js')),
  entry('setrep', [], 'Files', 'Set how many copies a file has', () => import('./setrep.js')),
  entry('du', [], 'Space', 'Print how much space paths take', () => import('./du.js')),
  entry('df', [], 'Space', 'Print the space of the file system', () => import('./df.js')),
  entry('count', [], 'Space', 'Count directories, files and bytes', () => import('./count.js')),
  entry('report', [], 'Cluster', 'Print the state of the cluster and of its data nodes', () => import('./report.js')),
  entry('fsck', [], 'Cluster', 'Check the blocks of files', () => import('./fsck.js')),
  entry('safemode', [], 'Cluster', 'Ask for safe mode, enter it or leave it', () => import('./safemode.js')),
  entry('decommission', [], 'Cluster', 'Empty a data node, so that it can be taken away', () => import('./decommission.js')),
  entry('recommission', [], 'Cluster', 'Take a data node back that was decommissioned, or in maintenance', () => import('./recommission.js')),
  entry('maintenance', [], 'Cluster', 'Let a data node go away for a while, without its blocks being copied', () => import('./maintenance.js')),
  entry('saveNamespace', [], 'Cluster', 'Write a backup of the name space beside its store', () => import('./save-namespace.js')),
  entry('balancer', [], 'Cluster', 'Even out how full the data nodes are', () => import('./balancer.js')),
  entry('cluster', [], 'Cluster', 'Start, stop and show the cluster on this machine', () => import('./cluster.js')),
  entry('node', [], 'Cluster', 'Add a data node on this machine; start, stop or kill a node', () => import('./node.js')),
  entry('logs', [], 'Cluster', "Print the last lines of a node's log, and follow it", () => import('./logs.js')),
  entry('watch', [], 'Cluster', 'Repeat a command, or follow the cluster', () => import('./watch.js')),
  entry('cd', [], 'Shell', 'Change the working directory', () => import('./cd.js')),
  entry('pwd', [], 'Shell', 'Print the working directory', () => import('./pwd.js')),
  entry('lcd', [], 'Shell', 'Change the local directory', () => import('./lcd.js')),
  entry('lpwd', [], 'Shell', 'Print the local directory', () => import('./lpwd.js')),
  entry('lls', [], 'Shell', 'List local files', () => import('./lls.js')),
  entry('history', [], 'Shell', 'List the lines that were typed before', () => import('./history.js')),
  entry('help', [], 'Shell', 'Explain commands', () => import('./help.js')),
  entry('usage', [], 'Shell', 'Print how commands are called', () => import('./usage.js')),
  entry('exit', ['quit'], 'Shell', 'Leave the shell', () => import('./exit.js')),
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
