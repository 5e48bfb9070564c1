/** What a replica is worth that a node reports, judged by its name: (block id, generation stamp, length) names the content (P9). */
export type ReplicaVerdict =
  /** The block's content. */
  | 'good'
  /** The right generation, but not the length: bytes are missing, or too many. */
  | 'wrong-length'
  /** Of an earlier generation: it missed the end of a write. */
  | 'old'
  /** Of a generation that we know nothing of. */
  | 'newer';

/** Of a complete block. */
export function judgeReplica(block: { generationStamp: number; lengthBytes: number }, replica: { generationStamp: number; lengthBytes: number }): ReplicaVerdict {
  if (replica.generationStamp < block.generationStamp) return 'old';
  if (replica.generationStamp > block.generationStamp) return 'newer';
  return replica.lengthBytes === block.lengthBytes ? 'good' : 'wrong-length';
}
