/** Runs that once broke a promise, each with what it was: they are run again by every `npm test`. */
export interface RecordedSeed {
  seed: number;
  minutes: number;
  /** Without what came to the simulation later: as it was when this was found. */
  isPlain?: true;
  /** What was found, and with it what is to stay fixed. */
  found: string;
}

export const recordedSeeds: readonly RecordedSeed[] = [
  { seed: 2, minutes: 1, isPlain: true, found: 'rotten bytes that were put aside in part stayed for ever' },
  { seed: 8, minutes: 1, isPlain: true, found: 'a failed takeover left a checksum file behind' },
  { seed: 12, minutes: 1, isPlain: true, found: 'what could not be deleted at once was never deleted while the node ran' },
  { seed: 103, minutes: 3, isPlain: true, found: 'rotten bytes that were put aside came back in a power cut, beside the good replica, and stayed' },
  { seed: 210, minutes: 2, isPlain: true, found: 'a disk that failed to read once cost the last replica of a block' },
  { seed: 1101, minutes: 2, isPlain: true, found: 'checksums that a full disk refused ended the data node' },
];
