import type { FileStatus } from '../protocol/file-status.js';

/** `rwxr-xr-t`: the mode as letters, `t` or `T` where the sticky bit is set. */
export function formatPermission(permission: number): string {
  let text = '';
  for (let shift = 6; shift >= 0; shift -= 3) {
    const bits = permission >> shift;
    text += (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + (bits & 1 ? 'x' : '-');
  }
  return permission & 0o1000 ? text.slice(0, 8) + (permission & 1 ? 't' : 'T') : text;
}

/** `drwxr-xr-x` */
export function formatMode(status: Pick<FileStatus, 'type' | 'permission'>): string {
  return (status.type === 'directory' ? 'd' : '-') + formatPermission(status.permission);
}

/** `755`, `1777`, `0`: HDFS's octal, without leading zeros. */
export function formatOctal(permission: number): string {
  return permission.toString(8);
}
