import { escapeControls } from '../base/text.js';
import type { LocalNode } from '../cluster/local-cluster.js';
import type { NodeRecord } from './records.js';

/** A line a node under a heading, in columns; folders, which may be long, come last. */
export function nodeTable(nodes: readonly LocalNode[]): string[] {
  const rows = [['NODE', 'STATE', 'ADDRESS', 'PID', 'DATA'], ...nodes.map((node) => [node.name, node.state, node.address, node.pid === undefined ? '-' : String(node.pid), escapeControls(node.dataDirectory)])];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join('  '));
}

export function nodeRecord({ name, role, address, pid, state, dataDirectory, logFile }: LocalNode): NodeRecord {
  return { name, role, address, pid: pid ?? null, state, dataDirectory, logFile };
}
