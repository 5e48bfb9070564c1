/** The order of names by the bytes of their UTF-8: what listings of the name node have. For Array.sort. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates stand for characters beyond U+FFFF: greater in UTF-8 than U+E000 to U+FFFF, smaller as code units.
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? (y >= 0xe000 ? 1 : x - y) : x >= 0xe000 ? -1 : x - y;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/**
 * The order in which HDFS's commands print names. It is that of java.net.URI's paths, as UTF-16 code units: what a URI does not
 * allow in a path stands there as `%22`, and so sorts beside a percent sign. For Array.sort.
 */
export function comparePrinted(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === length) return a.length - b.length;
  const [x, y] = [a[i]!, b[i]!];
  if (!quotedInUri.test(x) && !quotedInUri.test(y)) return x < y ? -1 : 1;
  return inUri(x) < inUri(y) ? -1 : 1;
}

/** Neither of URI's path characters nor beyond ASCII; or a blank or a control character anywhere. */
// eslint-disable-next-line no-control-regex
const quotedInUri = /[^\w\-!.~'()*:@&=+$,;/\u0080-\uffff]|[\p{Z}\p{Cc}]/u;

function inUri(character: string): string {
  return quotedInUri.test(character) ? `%${Buffer.from(character).toString('hex').toUpperCase()}` : character;
}

/**
 * Why an entry that a file system has listed must not become a part of a path, in a few words; undefined if it may. A server's word
 * is no reason to write outside of the directory that a person has named.
 */
export function entryNameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return `${JSON.stringify(name)} is not a name`;
  if (name.includes('/') || name.includes('\0')) return 'a name must not contain a slash or NUL';
  return undefined;
}
