import type { FileStatus } from '../protocol/file-status.js';
import { UsageError } from './command-errors.js';

/** What chmod does to one mode. */
export type ModeChange = (status: Pick<FileStatus, 'type' | 'permission'>) => number;

const clause = /^\s*([ugoa]*)([+=-])([rwxXt]+)\s*$/;

/**
 * Reads a mode: `640`, `1777`, or clauses as `u=rwx,g+w,a-x` (Hadoop: ChmodParser; no umask, X for directories and for what somebody may
 * execute already, t for others only). Three digits leave the sticky bit as it is. UsageError for what is no mode.
 */
export function parseModeChange(mode: string): ModeChange {
  const octal = /^\s*\+?([01]?)([0-7]{3})\s*$/.exec(mode);
  if (octal) {
    const bits = parseInt(octal[2]!, 8);
    const sticky = octal[1] === '' ? undefined : Number(octal[1]) << 9;
    return ({ permission }) => (sticky ?? permission & 0o1000) | bits;
  }
  const clauses = mode
    .split(',')
    .filter((text) => text.trim() !== '')
    .map((text) => clause.exec(text));
  if (clauses.length === 0 || clauses.some((one) => one === null))
    throw new UsageError(`chmod : mode '${mode}' does not match the expected pattern.`);
  const changes = clauses.map((one) => readClause(one!));
  return (status) => changes.reduce((permission, change) => change({ type: status.type, permission }), status.permission);
}

function readClause([, typedWho = '', operator = '', letters = '']: RegExpExecArray): ModeChange {
  const who = typedWho === '' || typedWho.includes('a') ? 'ugo' : typedWho;
  return ({ type, permission }) => {
    const isExecutable = type === 'directory' || (permission & 0o111) !== 0;
    let bits = 0;
    if (letters.includes('r')) bits |= 4;
    if (letters.includes('w')) bits |= 2;
    if (letters.includes('x') || (letters.includes('X') && isExecutable)) bits |= 1;
    let change = 0;
    let mask = 0;
    for (const [letter, shift] of [
      ['u', 6],
      ['g', 3],
      ['o', 0],
    ] as const) {
      if (!who.includes(letter)) continue;
      change |= bits << shift;
      mask |= 7 << shift;
    }
    if (who.includes('o')) {
      if (letters.includes('t')) change |= 0o1000;
      mask |= 0o1000;
    }
    if (operator === '+') return permission | change;
    if (operator === '-') return permission & ~change;
    return (permission & ~mask) | change;
  };
}
