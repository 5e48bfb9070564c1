/**
 * Buffers for moving bytes of local files: reused, since memory that is touched for the first time costs more than the copy
 * into it. One MiB misses the CPU's cache, and 64 KiB doubles the calls; half a MiB measured best.
 */
export const transferBufferBytes = 512 * 1024;
const keptBuffers = 8;
const free: Buffer[] = [];

export function acquireBuffer(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(transferBufferBytes);
}

/** Takes back a buffer of `acquireBuffer`; it must not be used afterwards. Beyond a few, buffers are left to the collector. */
export function releaseBuffer(buffer: Buffer): void {
  if (free.length < keptBuffers) free.push(buffer);
}
