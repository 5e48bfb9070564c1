import type { Counters } from './counters.js';
import type { EntryTarget, Inode } from './inode.js';

/** One inode or one entry of a directory, before and after an edit. Undefined: it was not there, or is not any more. */
export type NamespaceChange =
  | { readonly kind: 'inode'; readonly before: Inode | undefined; readonly after: Inode | undefined }
  | { readonly kind: 'entry'; readonly directoryId: number; readonly name: string; readonly before: EntryTarget | undefined; readonly after: EntryTarget | undefined };

/**
 * Sees every change of an inode or of an entry, in order, inside the transaction that makes it: it must not throw, and what it
 * keeps must be right even if the transaction is dropped.
 */
export type ChangeListener = (change: NamespaceChange) => void;

/** What an edit did beside the records: for those who keep soft state of it. */
export interface AppliedEdit {
  /** As the edit has left them. */
  readonly counters: Readonly<Counters>;
  /** Blocks that no file has any more. */
  readonly removedBlockIds: number[];
  /** Files whose lease has ended: they are not under construction any more, or gone, or the name node's own. */
  readonly endedLeaseIds: number[];
  /** Files that the name node has taken over, to recover their last blocks and close them. */
  readonly recoveringIds: number[];
}
