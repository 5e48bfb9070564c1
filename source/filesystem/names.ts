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

/** The order in which HDFS's commands print names: by UTF-16 code units (java.lang.String.compareTo). For Array.sort. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The same items in HDFS's printing order, from items in the order of the bytes. Nothing is held before the first name that has a
 * character of U+E000 to U+FFFF, since only such a name can be followed by one that is to be printed before it.
 */
export async function* inPrintingOrder<T>(items: AsyncIterable<T>, nameOf: (item: T) => string): AsyncIterable<T> {
  let held: T[] | undefined;
  for await (const item of items) {
    if (held) held.push(item);
    else if (/[\ue000-\uffff]/.test(nameOf(item))) held = [item];
    else yield item;
  }
  if (held) yield* held.sort((a, b) => compareCodeUnits(nameOf(a), nameOf(b)));
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
