const units = ['K', 'M', 'G', 'T', 'P', 'E'];

/**
 * Bytes from a number or from text such as `64m`, `1.5g`, `4096`, `64 MiB`: units are powers of 1024, in either case.
 * Undefined when the text is no size, or not a whole number of bytes below 2^53.
 */
export function parseSize(value: string | number): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgtpe])(?:i?b)?|b)?\s*$/i.exec(String(value));
  if (!match) return undefined;
  const power = match[2] ? units.indexOf(match[2].toUpperCase()) + 1 : 0;
  const bytes = Number(match[1]) * 1024 ** power;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** HDFS's `-h`: `1.2 K`, `64 M`, `512`: one decimal, none if exact, bare below 1024 (StringUtils.TraditionalBinaryPrefix). */
export function formatHuman(bytes: number): string {
  return withUnit(bytes, 1, ' ', '', true);
}

/** HDFS's reports: `1.11 TB`, `0 B`: two decimals, none if exact, and a B (StringUtils.byteDesc). */
export function formatReport(bytes: number): string {
  return withUnit(bytes, 2, ' ', 'B', false);
}

function withUnit(bytes: number, decimals: number, blank: string, suffix: string, isBare: boolean): string {
  const magnitude = Math.abs(bytes);
  let power = 0;
  while (power < units.length && magnitude >= 1024 ** (power + 1)) power++;
  if (power === 0) return isBare ? `${bytes}` : `${bytes}${blank}${suffix}`;
  const scaled = bytes / 1024 ** power;
  const text = Number.isInteger(scaled) ? `${scaled}` : scaled.toFixed(decimals);
  return `${text}${blank}${units[power - 1]}${suffix}`;
}
