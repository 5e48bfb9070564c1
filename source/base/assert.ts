/** A broken invariant of ours: the process must not go on with it. Never used for a peer's or a user's input. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws AssertionError unless `condition` holds. `message` states the fact positively: "length covers the checksums". */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(`broken invariant: ${message}`);
}

/** For the default of a switch over a union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`broken invariant: unexpected ${JSON.stringify(value)}`);
}
