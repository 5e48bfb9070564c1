/**
 * Every expected failure of the system, in one table: class, code, Hadoop's exception, whether a retry may succeed, exit code.
 * Codes are positive, stable and never reused; they are what crosses the wire, with the name and where it happened.
 * Callers test the class (`error instanceof FileNotFoundError`), never the text.
 */
export interface ErrorEntry {
  readonly name: string;
  readonly code: number;
  /** The Hadoop exception that says the same, for WebHDFS and for readers of runbooks. */
  readonly hadoopException: string;
  /** True if the same call may succeed later without anybody changing anything but time. */
  readonly isRetriable: boolean;
  /** The exit code of a command that fails with it. */
  readonly exitCode: number;
}

export interface ErrorDetails {
  /** The path the failure is about, absolute. */
  path?: string | undefined;
  blockId?: number | undefined;
  /** Further lines for a person, such as why each node was not chosen. */
  details?: string[] | undefined;
  cause?: unknown;
}

/** What crosses the wire: the `error` member of a JSON-RPC response. No stack, ever. */
export interface WireError {
  code: number;
  message: string;
  data?: { name: string; path?: string; blockId?: number; details?: string[] } | undefined;
}

export abstract class DfsError extends Error {
  abstract readonly entry: ErrorEntry;
  readonly path: string | undefined;
  readonly blockId: number | undefined;
  readonly details: string[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.path = details.path;
    this.blockId = details.blockId;
    this.details = details.details ?? [];
  }

  get code(): number {
    return this.entry.code;
  }

  get isRetriable(): boolean {
    return this.entry.isRetriable;
  }
}

type DfsErrorClass = { new (message: string, details?: ErrorDetails): DfsError; readonly entry: ErrorEntry };

const classesByCode = new Map<number, DfsErrorClass>();

function define(code: number, name: string, hadoopException: string, options: { isRetriable?: boolean; exitCode?: number } = {}): DfsErrorClass {
  const entry: ErrorEntry = { name, code, hadoopException, isRetriable: options.isRetriable ?? false, exitCode: options.exitCode ?? 1 };
  const errorClass = class extends DfsError {
    static readonly entry = entry;
    override readonly name = name;
    readonly entry = entry;
  };
  Object.defineProperty(errorClass, 'name', { value: name });
  if (classesByCode.has(code)) throw new Error(`error code ${code} is taken twice`);
  classesByCode.set(code, errorClass);
  return errorClass;
}

// Namespace
export const FileNotFoundError = define(1001, 'FileNotFoundError', 'java.io.FileNotFoundException');
export const FileAlreadyExistsError = define(1002, 'FileAlreadyExistsError', 'org.apache.hadoop.fs.FileAlreadyExistsException');
export const NotADirectoryError = define(1003, 'NotADirectoryError', 'org.apache.hadoop.fs.ParentNotDirectoryException');
export const IsADirectoryError = define(1004, 'IsADirectoryError', 'org.apache.hadoop.fs.PathIsDirectoryException');
export const DirectoryNotEmptyError = define(1005, 'DirectoryNotEmptyError', 'org.apache.hadoop.fs.PathIsNotEmptyDirectoryException');
export const PermissionDeniedError = define(1006, 'PermissionDeniedError', 'org.apache.hadoop.security.AccessControlException');
export const InvalidPathError = define(1007, 'InvalidPathError', 'org.apache.hadoop.fs.InvalidPathException');
export const InvalidArgumentError = define(1008, 'InvalidArgumentError', 'org.apache.hadoop.HadoopIllegalArgumentException', { exitCode: 255 });
export const RenameIntoItselfError = define(1009, 'RenameIntoItselfError', 'java.io.IOException');
export const SafeModeError = define(1010, 'SafeModeError', 'org.apache.hadoop.hdfs.server.namenode.SafeModeException');
export const QuotaExceededError = define(1011, 'QuotaExceededError', 'org.apache.hadoop.hdfs.protocol.QuotaExceededException');
export const UnsupportedError = define(1012, 'UnsupportedError', 'java.lang.UnsupportedOperationException');
// Writing
export const AlreadyBeingCreatedError = define(1101, 'AlreadyBeingCreatedError', 'org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException');
export const LeaseExpiredError = define(1102, 'LeaseExpiredError', 'org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException');
export const NotEnoughReplicasError = define(1103, 'NotEnoughReplicasError', 'java.io.IOException');
export const StaleGenerationError = define(1104, 'StaleGenerationError', 'java.io.IOException');
export const NoSpaceError = define(1105, 'NoSpaceError', 'org.apache.hadoop.util.DiskChecker$DiskOutOfSpaceException');
export const RecoveryInProgressError = define(1106, 'RecoveryInProgressError', 'org.apache.hadoop.hdfs.protocol.RecoveryInProgressException', { isRetriable: true });
/** The file's last block has too few durable replicas so far; asking again is right. */
export const NotReplicatedYetError = define(1107, 'NotReplicatedYetError', 'org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException', { isRetriable: true });
// Reading
export const BlockMissingError = define(1201, 'BlockMissingError', 'org.apache.hadoop.hdfs.BlockMissingException');
export const ChecksumError = define(1202, 'ChecksumError', 'org.apache.hadoop.fs.ChecksumException');
export const ReplicaNotFoundError = define(1203, 'ReplicaNotFoundError', 'org.apache.hadoop.hdfs.server.datanode.ReplicaNotFoundException');
export const InputOutputError = define(1204, 'InputOutputError', 'java.io.IOException');
// Cluster and transport
/** Nothing answers at the address: it was refused, or never accepted. */
export const UnavailableError = define(1301, 'UnavailableError', 'java.net.ConnectException', { isRetriable: true, exitCode: 2 });
/** A call got no answer in time, or its connection broke: its outcome is unknown. */
export const OutcomeUnknownError = define(1302, 'OutcomeUnknownError', 'java.net.SocketTimeoutException', { isRetriable: true });
export const ClusterMismatchError = define(1303, 'ClusterMismatchError', 'org.apache.hadoop.hdfs.server.common.IncorrectVersionException');
export const VersionMismatchError = define(1304, 'VersionMismatchError', 'org.apache.hadoop.ipc.RPC$VersionMismatch');
/** The name node does not know this data node (any more), or its epoch is over: register again. */
export const UnregisteredNodeError = define(1305, 'UnregisteredNodeError', 'org.apache.hadoop.hdfs.protocol.UnregisteredNodeException');
/** A registration that must not be repeated: another live process has this identity, or the directory was cloned. */
export const RegistrationRefusedError = define(1306, 'RegistrationRefusedError', 'org.apache.hadoop.hdfs.server.protocol.DisallowedDatanodeException');
/** A call id came again with another call. */
export const CallIdReusedError = define(1307, 'CallIdReusedError', 'java.io.IOException');
export const StorageDamagedError = define(1308, 'StorageDamagedError', 'org.apache.hadoop.hdfs.server.common.InconsistentFSStateException');
export const StorageLockedError = define(1309, 'StorageLockedError', 'org.apache.hadoop.hdfs.server.common.Storage$StorageLockException');
/** A limit of the server was reached (queue, connections, files): try again later. */
export const OverloadedError = define(1310, 'OverloadedError', 'org.apache.hadoop.ipc.RetriableException', { isRetriable: true });
// Local
export const CancelledError = define(1401, 'CancelledError', 'java.lang.InterruptedException', { exitCode: 130 });
export const LocalFileError = define(1402, 'LocalFileError', 'java.io.IOException');
export const ConfigError = define(1403, 'ConfigError', 'java.lang.IllegalArgumentException', { exitCode: 255 });

/** JSON-RPC's own errors (specification 2.0, section 5.1), and what a server says of a failure it did not expect. */
export const rpcErrorCodes = { parseError: -32700, invalidRequest: -32600, methodNotFound: -32601, invalidParams: -32602, internalError: -32603 } as const;

/** A peer answered with one of JSON-RPC's own errors: it, or we, broke the protocol. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function errorTable(): ErrorEntry[] {
  return [...classesByCode.values()].map(({ entry }) => entry);
}

/** What crosses the wire for `error`. Anything that is not a DfsError becomes an internal error without its stack. */
export function toWireError(error: unknown): WireError {
  if (error instanceof DfsError) {
    const data: NonNullable<WireError['data']> = { name: error.entry.name };
    if (error.path !== undefined) data.path = error.path;
    if (error.blockId !== undefined) data.blockId = error.blockId;
    if (error.details.length > 0) data.details = error.details;
    return { code: error.code, message: error.message, data };
  }
  if (error instanceof RpcError) return { code: error.code, message: error.message };
  return { code: rpcErrorCodes.internalError, message: 'internal error; the log of the node has the details' };
}

/** The error that a peer sent, as its class. An unknown positive code (a newer peer) becomes an InputOutputError that names it. */
export function fromWireError(wire: WireError): Error {
  const errorClass = classesByCode.get(wire.code);
  const details = { path: wire.data?.path, blockId: wire.data?.blockId, details: wire.data?.details };
  if (errorClass) return new errorClass(wire.message, details);
  if (wire.code > 0) return new InputOutputError(`${wire.message} (${wire.data?.name ?? 'unknown error'}, code ${wire.code})`, details);
  return new RpcError(wire.code, wire.message);
}
