import { blockName } from '../protocol/block.js';
import { StaleGenerationError } from '../protocol/errors.js';

interface Claim {
  recoveryGeneration: number;
  /** Of the replica that takes part, what matches its checksums. */
  verifiedBytes: number;
}

/**
 * Which recoveries have begun on this node's replicas: from then on nothing of a lower generation touches them. Kept in memory alone: after a
 * restart no writer is left to be stopped, and a later one comes with a generation that the name node gives to nobody while it recovers.
 * One an open recovery, gone when the replica has the generation of it or is deleted.
 */
export class RecoveryClaims {
  readonly #claims = new Map<number, Claim>();

  /** StaleGenerationError if a later recovery has begun. Of the same one is fine: an answer was lost. */
  checkBegin(blockId: number, recoveryGeneration: number): void {
    const claim = this.#claims.get(blockId);
    if (claim && claim.recoveryGeneration > recoveryGeneration) throw later(blockId, recoveryGeneration, claim.recoveryGeneration);
  }

  begin(blockId: number, claim: Claim): void {
    this.#claims.set(blockId, claim);
  }

  /** For a writer that wants to create or to recover a replica under `generationStamp`: StaleGenerationError if that is over. */
  checkWriter(blockId: number, generationStamp: number): void {
    const claim = this.#claims.get(blockId);
    if (claim && claim.recoveryGeneration >= generationStamp) throw later(blockId, generationStamp, claim.recoveryGeneration);
  }

  /** The claim of this very recovery: StaleGenerationError if another one has begun, or none that this process knows of. */
  require(blockId: number, recoveryGeneration: number): Claim {
    const claim = this.#claims.get(blockId);
    if (claim?.recoveryGeneration === recoveryGeneration) return claim;
    if (claim) throw later(blockId, recoveryGeneration, claim.recoveryGeneration);
    throw new StaleGenerationError(`${blockName({ blockId, generationStamp: recoveryGeneration })}: no such recovery has begun here; begin it again`, { blockId });
  }

  end(blockId: number): void {
    this.#claims.delete(blockId);
  }
}

function later(blockId: number, generationStamp: number, recoveryGeneration: number): Error {
  return new StaleGenerationError(
    `${blockName({ blockId, generationStamp })} is too late: the block's recovery under generation ${recoveryGeneration} has begun`,
    { blockId },
  );
}
