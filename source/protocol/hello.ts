/**
 * The opening of every stream. Magic, version and cluster id come first so that two programs that must not talk find out at
 * once, and each error names both sides' versions. `clusterId` is null where the sender does not know it yet (a client's first
 * connection, an empty data node); where both know one, they must agree.
 */
export const protocolVersion = 2;

export interface Hello {
  magic: 'dfsh';
  version: number;
  clusterId: string | null;
  role: 'client' | 'datanode' | 'namenode';
  user: string;
  clientId: string;
  /** Room for authentication. */
  credential: null;
}

/** Who we are, on every stream that we open. `clusterId` is filled in once the name node told it. */
export interface Identity {
  clusterId: string | null;
  readonly role: 'client' | 'datanode' | 'namenode';
  readonly user: string;
  readonly clientId: string;
}

export function helloOf(identity: Identity): Hello {
  return { magic: 'dfsh', version: protocolVersion, clusterId: identity.clusterId, role: identity.role, user: identity.user, clientId: identity.clientId, credential: null };
}
