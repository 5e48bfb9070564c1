import { ClusterMismatchError, RpcError, VersionMismatchError, rpcErrorCodes } from '../protocol/errors.js';
import { type Hello, type Identity, protocolVersion } from '../protocol/hello.js';
import type { CallContext } from '../protocol/method.js';

const roles = ['client', 'datanode', 'namenode'];
const maxNameLength = 255;

/**
 * Narrows the first message of a stream and compares it with who we are. Throws RpcError for anything that is no hello,
 * VersionMismatchError and ClusterMismatchError, each naming both sides.
 */
export function checkHello(received: unknown, identity: Identity, remoteAddress: string): Hello {
  const hello = received as Partial<Hello> | null;
  if (typeof hello !== 'object' || hello === null || hello.magic !== 'dfsh' || !Number.isSafeInteger(hello.version)) {
    throw notHello(remoteAddress, 'its first message must be {"magic":"dfsh","version":...}; over HTTP, POST calls to /rpc');
  }
  // The version comes before everything else: what follows may look different in another one.
  if (hello.version !== protocolVersion) {
    const versions = `${remoteAddress} speaks version ${hello.version} of the protocol, this ${identity.role} version ${protocolVersion}`;
    throw new VersionMismatchError(`${versions}; run the same release of dfsh on both sides`);
  }
  const { clusterId, role, user, clientId } = hello;
  if (clusterId !== null && !isName(clusterId)) throw notHello(remoteAddress, 'clusterId must be a string or null');
  if (!roles.includes(role as string)) throw notHello(remoteAddress, `role must be one of ${roles.join(', ')}`);
  if (!isName(user)) throw notHello(remoteAddress, `user must be a name of 1 to ${maxNameLength} characters without control characters`);
  if (!isName(clientId)) throw notHello(remoteAddress, `clientId must be text of 1 to ${maxNameLength} characters`);
  if (clusterId !== null && identity.clusterId !== null && clusterId !== identity.clusterId) {
    const clusters = `${remoteAddress} (${role}) belongs to cluster ${clusterId}, this ${identity.role} to cluster ${identity.clusterId}`;
    throw new ClusterMismatchError(`${clusters}; check the address, and whether one of them was formatted anew`);
  }
  return { magic: 'dfsh', version: protocolVersion, clusterId, role: role as Hello['role'], user, clientId, credential: null };
}

/** Who calls, from a checked hello. Only clients and data nodes open streams. */
export function contextOf(hello: Hello, remoteAddress: string): CallContext {
  const { role, user, clientId } = hello;
  if (role === 'namenode') throw notHello(remoteAddress, 'a name node opens no streams');
  return { role, user, clientId, remoteAddress };
}

/** A user or client name: what may stand in logs, in owners and in keys. */
export function isName(value: unknown): value is string {
  // eslint-disable-next-line no-control-regex
  return typeof value === 'string' && value.length > 0 && value.length <= maxNameLength && value.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(value);
}

function notHello(remoteAddress: string, problem: string): RpcError {
  return new RpcError(rpcErrorCodes.invalidRequest, `no hello from ${remoteAddress}: ${problem}`);
}
