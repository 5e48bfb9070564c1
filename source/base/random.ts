import { randomBytes, randomInt, randomUUID } from 'node:crypto';

/** Randomness as a seam: seeded in simulations, the system's otherwise. The only source of random numbers in the product. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, bound), 1 <= bound <= 2^47. */
  integer(bound: number): number;
  /** A fresh identifier of 32 hex digits: 128 random bits from the system, 128 seeded ones in a simulation. */
  id(): string;
}

export const systemRandom: Random = {
  next: () => randomInt(2 ** 47) / 2 ** 47,
  integer: (bound) => randomInt(bound),
  id: () => randomUUID().replaceAll('-', ''),
};

/** 32 unguessable bytes as hex, for tokens. Not seeded, ever. */
export function secretToken(): string {
  return randomBytes(32).toString('hex');
}

/** Repeatable randomness from one seed (xoshiro128**, Blackman and Vigna 2018; the state filled by splitmix32). */
export function seededRandom(seed: number): Random {
  let fill = seed >>> 0;
  const splitmix = () => {
    fill = (fill + 0x9e3779b9) >>> 0;
    let z = fill;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotate = (x: number, k: number) => (x << k) | (x >>> (32 - k));
  const uint32 = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  const next = () => (uint32() * 2 ** 21 + (uint32() >>> 11)) / 2 ** 53;
  return {
    next,
    integer: (bound) => Math.floor(next() * bound),
    id: () => [uint32(), uint32(), uint32(), uint32()].map((word) => word.toString(16).padStart(8, '0')).join(''),
  };
}

/** A new array with the same items in random order (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
