import type { Answer } from './answer.js';
import type { BlockManagement } from './block-management.js';
import type { Counters } from './counters.js';
import type { DirectoryCache } from './directory-cache.js';
import type { EditOp } from './edit-op.js';
import type { LeaseManager } from './lease-manager.js';
import type { NamespaceView } from './namespace-view.js';
import type { Caller } from './permission-checker.js';
import { type ResolvedPath, resolvePath } from './resolve-path.js';

/** Whose call it is. */
export interface Requester {
  readonly caller: Caller;
  readonly clientId: string;
  /** host:port */
  readonly address: string;
}

/** What applies where a call does not say otherwise. */
export interface NamespaceDefaults {
  readonly replication: number;
  readonly blockSizeBytes: number;
  readonly minReplication: number;
}

/** What a planner sees: the namespace inside its transaction, and who asks. It changes nothing. */
export interface PlanScope {
  readonly view: NamespaceView;
  readonly cache: DirectoryCache;
  readonly counters: Readonly<Counters>;
  readonly requester: Requester;
  readonly timeMs: number;
  readonly defaults: NamespaceDefaults;
  readonly leases: LeaseManager;
  readonly blocks: BlockManagement;
}

/**
 * What a call decides to do. A planner checks everything first, permissions too, and throws the DfsError of a refusal; so an edit
 * that is planned can be applied.
 */
export interface Plan<A extends Answer = Answer> {
  /** Undefined: nothing needs to change. */
  readonly op: EditOp | undefined;
  readonly answer: A;
  /** Runs after the edit is on disk, before the answer: what soft state must know. It must not throw. */
  readonly effects?: (() => void) | undefined;
}

/** The machine of a host:port. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '');
}

export type AnswerOf<K extends Answer['kind']> = Extract<Answer, { kind: K }>;

export function resolve(scope: Pick<PlanScope, 'view' | 'cache'>, path: string): ResolvedPath {
  return resolvePath(scope.view, scope.cache, path);
}
