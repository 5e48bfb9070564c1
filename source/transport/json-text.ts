import { isUtf8 } from 'node:buffer';

/** JSON-RPC needs less than ten levels; JSON.parse of 10 MB of `[` blocks for seconds, so deeper texts are refused unparsed. */
export const maxJsonDepth = 64;

const quote = 0x22;
const backslash = 0x5c;

/** Parses untrusted JSON in linear time. Throws SyntaxError, saying what is wrong, for bytes that are not UTF-8, not JSON, or too deep. */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new SyntaxError('not UTF-8');
  if (exceedsDepth(bytes, maxJsonDepth)) throw new SyntaxError(`nested deeper than ${maxJsonDepth} levels`);
  return JSON.parse(bytes.toString()) as unknown;
}

/** True if brackets outside of strings nest deeper than `depthLimit`. Looks at each byte once, and jumps over strings. */
export function exceedsDepth(bytes: Buffer, depthLimit: number): boolean {
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === quote) {
      i = stringEnd(bytes, i + 1);
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > depthLimit) return true;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
  return false;
}

/** Index of the quote that ends the string whose first byte is at `start`; the length of `bytes` if none does. */
function stringEnd(bytes: Buffer, start: number): number {
  // Long strings (a block report's base64) are left to the native search; short ones, most of all, to the loop.
  const loopEnd = Math.min(bytes.length, start + 32);
  let i = start;
  for (; i < loopEnd; i++) {
    if (bytes[i] === backslash) i++;
    else if (bytes[i] === quote) return i;
  }
  while (i < bytes.length) {
    const end = bytes.indexOf(quote, i);
    if (end < 0) return bytes.length;
    let backslashes = 0;
    while (end - 1 - backslashes >= i && bytes[end - 1 - backslashes] === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
    i = end + 1;
  }
  return bytes.length;
}
