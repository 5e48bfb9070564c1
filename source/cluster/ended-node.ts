import { type DfsError, InputOutputError } from '../protocol/errors.js';
import type { LaunchedNode } from './launch-node.js';
import type { LocalNode } from './local-cluster.js';
import { lastLines } from './node-log.js';

const errorLogLines = 10;
const programPrefix = 'dfsh: ';
const linesFollow = '; its last lines:';

/** Why a node that was launched has ended, with what its log says of it; undefined while it runs. */
export async function errorIfEnded({ node, launched }: { node: LocalNode; launched: LaunchedNode }): Promise<DfsError | undefined> {
  const ending = launched.ending();
  if (ending === undefined) return undefined;
  const lines = await lastLines(node.logFile, errorLogLines, launched.logBegin);
  // What the program itself says of its end says it all.
  const reason = lines.findLast((line) => line.startsWith(programPrefix))?.slice(programPrefix.length);
  if (reason) return new InputOutputError(`${node.name} (${node.address}) cannot run: ${reason}`, { details: [`its log: ${node.logFile}`] });
  const tail = lines.length > 0 ? linesFollow : ' and said nothing';
  return new InputOutputError(`${node.name} (${node.address}) ended during its start (${ending})${tail}`, { details: [...lines, `its log: ${node.logFile}`] });
}

/** What errorIfEnded answered, as one line. */
export function inOneLine({ message }: DfsError, { logFile }: LocalNode): string {
  return `${message.endsWith(linesFollow) ? message.slice(0, -linesFollow.length) : message}; its log: ${logFile}`;
}
