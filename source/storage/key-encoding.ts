import { assert } from '../base/assert.js';
import type { Key, RangeOptions } from './key-value-store.js';

/**
 * Parts of keys. Each part sorts, as bytes, the way its value sorts, and none is the beginning of another of its kind, so that
 * parts can be put one behind the other. Text without a terminator only as the last part.
 *
 *   number          count of bytes (0..7), then these bytes, big-endian:   0 -> 00    255 -> 01 ff    256 -> 02 01 00
 *   text            its UTF-8 bytes
 *   text part       its UTF-8 bytes, then 00: no U+0000 inside
 */
export function encodeNumber(value: number): Key {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number in a key is a whole one from 0 to below 2^53');
  if (value < 0x100) return value === 0 ? '\x00' : String.fromCharCode(1, value);
  if (value < 0x1_0000) return String.fromCharCode(2, value >>> 8, value & 255);
  if (value < 0x100_0000) return String.fromCharCode(3, value >>> 16, (value >>> 8) & 255, value & 255);
  if (value < 0x1_0000_0000) return String.fromCharCode(4, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  const high = Math.floor(value / 0x1_0000_0000);
  const low = String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  if (high < 0x100) return String.fromCharCode(5, high) + low;
  if (high < 0x1_0000) return String.fromCharCode(6, high >>> 8, high & 255) + low;
  return String.fromCharCode(7, high >>> 16, (high >>> 8) & 255, high & 255) + low;
}

/** The number whose encoding begins at `at`. */
export function decodeNumber(key: Key, at = 0): number {
  const end = at + encodedNumberBytes(key, at);
  assert(end <= key.length, 'a number in a key is whole');
  let value = 0;
  for (let i = at + 1; i < end; i++) value = value * 256 + key.charCodeAt(i);
  return value;
}

/** How many bytes the number takes whose encoding begins at `at`. */
export function encodedNumberBytes(key: Key, at = 0): number {
  const count = key.charCodeAt(at);
  assert(count <= 7, 'a number in a key begins with its count of bytes');
  return count + 1;
}

const isAscii = /^[\x00-\x7f]*$/;

/** Well-formed text as the last part of a key. */
export function encodeText(text: string): Key {
  return isAscii.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text from `at` to `end`, the key's own end if not said. */
export function decodeText(key: Key, at = 0, end = key.length): string {
  const part = at === 0 && end === key.length ? key : key.slice(at, end);
  return isAscii.test(part) ? part : Buffer.from(part, 'latin1').toString('utf8');
}

/** Text that other parts may follow. It must not hold U+0000. */
export function encodeTextPart(text: string): Key {
  assert(!text.includes('\0'), 'text inside a key holds no U+0000');
  return `${encodeText(text)}\0`;
}

/** The text part that begins at `at`, and where the next part begins. */
export function decodeTextPart(key: Key, at = 0): { text: string; next: number } {
  const end = key.indexOf('\0', at);
  assert(end >= 0, 'a text part in a key is terminated');
  return { text: decodeText(key, at, end), next: end + 1 };
}

/** The first key behind all keys that begin with `prefix`. */
export function prefixEnd(prefix: Key): Key {
  let last = prefix.length - 1;
  while (last >= 0 && prefix.charCodeAt(last) === 0xff) last--;
  assert(last >= 0, 'a prefix holds a byte other than 0xff');
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** All keys that begin with `prefix`. */
export function prefixRange(prefix: Key): RangeOptions {
  return { start: prefix, end: prefixEnd(prefix) };
}

/** Every key that a store may hold. */
export const wholeRange: RangeOptions = { start: '\x01', end: '\xff' };
