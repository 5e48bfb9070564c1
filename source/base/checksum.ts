import { createRequire } from 'node:module';

type Crc = (bytes: Uint8Array, previous?: number) => number;

interface Implementation {
  name: 'native' | 'zlib';
  crc32: Crc;
  crc32c: Crc;
}

let loaded: Implementation | undefined;

/**
 * The native module is six times faster on 64 KiB chunks; zlib's, present from Node 20.15, gives the same numbers. Loaded by the
 * first checksum: a command that moves no bytes does not pay for it.
 */
function implementation(): Implementation {
  return (loaded ??= load());
}

function load(): Implementation {
  const require = createRequire(import.meta.url);
  try {
    const native = require('@node-rs/crc32') as { crc32: Crc; crc32c: Crc };
    return { name: 'native', crc32: native.crc32, crc32c: native.crc32c };
  } catch {
    const zlib = require('node:zlib') as { crc32: Crc };
    return { name: 'zlib', crc32: zlib.crc32, crc32c: crc32cTable() };
  }
}

/** CRC-32 (IEEE 802.3) of `bytes`, an unsigned 32-bit integer; continues from `previous`, the checksum of what came before. */
export const crc32: Crc = (bytes, previous) => (loaded ?? implementation()).crc32(bytes, previous ?? 0) >>> 0;

/** CRC-32C (Castagnoli), HDFS's default: what `checksum` of a file is made of. */
export const crc32c: Crc = (bytes, previous) => (loaded ?? implementation()).crc32c(bytes, previous ?? 0) >>> 0;

/** Which implementation runs: shown by the benchmark, since it decides the speed of the block path. */
export function checksumImplementation(): 'native' | 'zlib' {
  return implementation().name;
}

function crc32cTable(): Crc {
  let table: Int32Array | undefined;
  const build = () => {
    const result = new Int32Array(256);
    for (let n = 0; n < 256; n++) {
      let c = n;
      for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
      result[n] = c;
    }
    return result;
  };
  return (bytes, previous = 0) => {
    table ??= build();
    let crc = ~previous;
    for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!;
    return ~crc >>> 0;
  };
}
