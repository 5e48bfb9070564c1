import type { ReplicaLocation } from '../protocol/block.js';
import type { RecoverableReplica } from '../storage/block-store.js';

/** What a data node that was asked said. */
export interface RecoveryReply {
  location: ReplicaLocation;
  /** Null: it has nothing of the block. */
  replica: RecoverableReplica | null;
}

export type RecoveryDecision =
  | { kind: 'update'; newLengthBytes: number; participants: ReplicaLocation[] }
  /** Nobody has a byte of it. */
  | { kind: 'drop' }
  | { kind: 'impossible'; reason: string };

/**
 * What the replicas of a block become (BlockRecoveryWorker.RecoveryTaskContiguous.syncBlock). A replica that is finalized has what its writer
 * ended with. Else what every node acknowledged, and so what was flushed, is on each replica whose node went on running since: the shortest
 * of them has it. Only where there is none of those do replicas speak that a restart, or rot, may have cut: what was synced is on two of them,
 * whatever became of a third. Longer ones are cut to the same length.
 *
 * `promisedBytes`: less than that is no outcome. `unanswered`: nodes that were asked in vain; they are left out, but nobody takes their
 * silence for a no.
 */
export function decideRecovery(
  order: { newLengthBytes: number | null; promisedBytes: number },
  replies: readonly RecoveryReply[],
  unanswered: readonly string[],
): RecoveryDecision {
  const found: { location: ReplicaLocation; replica: RecoverableReplica }[] = [];
  for (const { location, replica } of replies) if (replica && replica.lengthBytes > 0) found.push({ location, replica });
  const silence = unanswered.length > 0 ? `; no answer from ${unanswered.join(', ')}` : '';
  const promisedBytes = order.newLengthBytes ?? order.promisedBytes;
  if (found.length === 0 && unanswered.length === 0 && promisedBytes === 0) return { kind: 'drop' };
  const newLengthBytes = order.newLengthBytes ?? commonLength(found.map(({ replica }) => replica));
  const participants = found.filter(({ replica }) => replica.lengthBytes >= newLengthBytes).map(({ location }) => location);
  if (participants.length === 0 || newLengthBytes < promisedBytes) {
    const lengths = found.map(({ location, replica }) => `${replica.lengthBytes} bytes on ${location.name}`).join(', ') || 'nothing';
    return { kind: 'impossible', reason: `${promisedBytes} bytes were promised, found is ${lengths}${silence}` };
  }
  return { kind: 'update', newLengthBytes, participants };
}

function commonLength(replicas: readonly RecoverableReplica[]): number {
  const finalized = replicas.filter((replica) => replica.state === 'finalized');
  if (finalized.length > 0) {
    const newest = Math.max(...finalized.map((replica) => replica.generationStamp));
    return Math.min(...finalized.filter((replica) => replica.generationStamp === newest).map((replica) => replica.lengthBytes));
  }
  const running = replicas.filter((replica) => replica.state === 'being-written');
  if (running.length > 0) return Math.min(...running.map((replica) => replica.lengthBytes));
  const longestFirst = replicas.map((replica) => replica.lengthBytes).sort((a, b) => b - a);
  return longestFirst[Math.min(1, longestFirst.length - 1)] ?? 0;
}
