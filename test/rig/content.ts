import { createCipheriv, createHash } from 'node:crypto';

/** Bytes that a few numbers name: the same on every call, in every process, and nowhere alike. */
export interface Content {
  seed: number;
  sizeBytes: number;
}

export function bytesOf({ seed, sizeBytes }: Content): Buffer {
  const key = createHash('sha256').update(`content ${seed}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function sha256Of(content: Content): string {
  return sha256(bytesOf(content));
}
