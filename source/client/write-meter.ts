import type { ReplicaLocation } from '../protocol/block.js';
import type { AckEntry } from '../protocol/block-stream.js';
import type { BlockListener, WrittenBlock } from './block-writer.js';
import type { WriteProgress } from './client-api.js';
import type { PacketQueue } from './packet-queue.js';

export interface WriteMeterOptions {
  replication: number;
  isDurable: boolean;
  failures: WriteProgress['failures'];
  /** Index of the first block that is written, where that block begins in the file, and where the first byte goes. */
  start: { blockIndex: number; blockOffsetBytes: number; offsetBytes: number };
  /** Called after each change. */
  onChange: () => void;
}

/** What a writer has done so far, from acknowledgements alone: for its user's bars, and for the result of its close. */
export class WriteMeter {
  readonly progress: WriteProgress;
  /** Finished blocks with fewer durable replicas than wanted. */
  readonly degraded: { blockIndex: number; durableReplicas: number }[] = [];
  readonly #options: WriteMeterOptions;
  /** Where the block being sent begins in the file; and the durable bytes of the replicas before it. */
  #finishedBytes: number;
  #finishedDurableBytes: number;
  /** Of the block being sent, summed over replicas. */
  #durableBytes = 0;

  constructor(options: WriteMeterOptions) {
    const { replication, failures, start } = options;
    this.#options = options;
    this.#finishedBytes = start.blockOffsetBytes;
    this.#finishedDurableBytes = start.blockOffsetBytes * replication;
    this.progress = {
      sentBytes: start.offsetBytes,
      acknowledgedBytes: start.offsetBytes,
      durableReplicaBytes: start.offsetBytes * replication,
      replication,
      blockIndex: start.blockIndex,
      durableReplicaCounts: [],
      pipeline: [],
      failures,
    };
  }

  /** What the writer of the next block is to tell. */
  listenTo(queue: PacketQueue): BlockListener {
    const { progress } = this;
    const { isDurable, onChange } = this.#options;
    progress.blockIndex = queue.blockIndex;
    return {
      onSent: (endInBlock: number) => {
        const sentBytes = this.#finishedBytes + endInBlock;
        if (sentBytes <= progress.sentBytes) return;
        progress.sentBytes = sentBytes;
        onChange();
      },
      onAcknowledged: (entries: AckEntry[]) => {
        progress.acknowledgedBytes = this.#finishedBytes + queue.acknowledgedBytes;
        this.#durableBytes = entries.reduce((sum, entry) => sum + (isDurable ? entry.durableBytes : entry.receivedBytes), 0);
        progress.durableReplicaBytes = this.#finishedDurableBytes + this.#durableBytes;
        onChange();
      },
      onPipeline: (targets: readonly ReplicaLocation[]) => {
        progress.pipeline = targets.map((target) => target.name);
        onChange();
      },
    };
  }

  finishBlock({ block, replicas }: WrittenBlock): void {
    this.#finishedBytes += block.lengthBytes;
    this.#finishedDurableBytes += this.#durableBytes;
    this.#durableBytes = 0;
    this.progress.durableReplicaCounts.push(replicas.length);
    this.#options.onChange();
  }

  /** The name node has accepted the last finished block: perhaps with more replicas than at its end. */
  acceptBlock({ replicas }: WrittenBlock): void {
    const { start, replication } = this.#options;
    const counts = this.progress.durableReplicaCounts;
    const durableReplicas = replicas.length;
    counts[counts.length - 1] = durableReplicas;
    if (durableReplicas < replication) this.degraded.push({ blockIndex: start.blockIndex + counts.length - 1, durableReplicas });
  }
}
