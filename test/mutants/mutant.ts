/**
 * A bug planted on purpose (mutation testing): what a careless hand would do to the source, and the tests that must notice it. Named after the bug
 * that others had (promises.md's list and Hadoop's issues), or after the promise that it breaks.
 */
export interface Mutant {
  readonly name: string;
  /** Whose bug, or which promise. */
  readonly of: string;
  /** Relative to the root, of a file of source or test. */
  readonly file: string;
  /** Each text is in the file exactly once, so that a mutant that the source has outgrown is noticed. */
  readonly changes: readonly { readonly from: string; readonly to: string }[];
  /** Files in dist/test, or patterns of such: one failing test of them is enough. */
  readonly caughtBy: readonly string[];
  /** Added to the environment: seeds, cycles. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The source with the bug in it. */
export function planted(source: string, { name, file, changes }: Mutant): string {
  let text = source;
  for (const { from, to } of changes) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${name}: ${file} has ${parts.length - 1} times, not once: ${from}`);
    text = parts.join(to);
  }
  return text;
}
