/** JSON that is plain to a terminal too: what JSON leaves as it is, but could drive one, is escaped. */
export function toJsonLine(record: object): string {
  // eslint-disable-next-line no-control-regex
  return JSON.stringify(record).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
