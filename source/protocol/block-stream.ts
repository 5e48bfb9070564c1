import type { Block, ReplicaLocation } from './block.js';
import { assert } from '../base/assert.js';
import { crc32 } from '../base/checksum.js';
import type { WireError } from './errors.js';

/**
 * The block stream: how block bytes travel between a client and data nodes, and along the pipeline. Never JSON-RPC.
 *
 * A channel carries frames. Every frame:
 *
 *      0      1      2        4              8
 *     +------+------+--------+--------------+----------------------------+
 *     | 0xDF | type | flags  | bodyLength   | body (bodyLength bytes)    |
 *     +------+------+--------+--------------+----------------------------+
 *       u8     u8     u16 BE   u32 BE
 *
 * A byte that changes on its way is noticed (promises.md, fault 35): the body of every frame but PACKET and HELLO ends with a CRC-32 of what is
 * before it, begun with the frame's type; a PACKET has one of its prefix and header, and the checksums of its data.
 *
 * The first frame each way is HELLO (body: the JSON of Hello). The opener may send its HELLO and its first request together.
 * One operation at a time; when one has ended in good order the channel takes the next, so that channels can be pooled.
 * Whoever meets a failure in the middle of an operation closes the channel.
 *
 *   write:  WRITE ->   <- STATUS    PACKET* ->   <- ACK*       the last PACKET has LAST; its ACK ends the operation. WORKING comes in between.
 *   read:   READ ->    <- STATUS   <- PACKET*                  the last PACKET has LAST (it may hold no bytes), and ends it
 *   transfer: TRANSFER ->  <- WORKING* <- STATUS               the node has copied its replica to the target: a WRITE of its own
 *
 * WORKING says nothing: whoever serves a WRITE or a TRANSFER sends it every `signOfLifeMs` until the operation ends, so that a slow disk
 * can be told from a node that is gone, or cut off: that one sends nothing at all for `silenceLimitMs` (HDFS: the heartbeats of its pipelines).
 *
 * PACKET body (checksums: CRC-32 of each chunk of the data; the last chunk may be short; all numbers big-endian):
 *
 *      0            4             8               16           20              24            28
 *     +------------+-------------+---------------+------------+---------------+-------------+----------------+--------+
 *     | sequence   | dataLength  | offsetInBlock | chunkSize  | checksumCount | CRC of      | checksums u32* | data   |
 *     +------------+-------------+---------------+------------+---------------+-------------+----------------+--------+
 *       u32          u32           u64             u32          u32             the above, u32
 *
 * Packets follow each other byte by byte: each begins where the one before ended, inside a chunk too. The checksums of a packet are counted from
 * its own begin, those of a replica from the begin of the block: whoever writes a packet that begins inside a chunk goes on with that
 * chunk's checksum, which a node that takes an existing replica over (`recover`, append) has compared with the bytes before. A sender
 * ends the first packet behind such a place with the chunk, so that the following ones fit.
 *
 * ACK body: one entry a replica, in pipeline order beginning with the sender of this ACK:
 *
 *      0          4        6
 *     +----------+--------+------------------------------------------------------------+-----+
 *     | sequence | count  | count x { u8 status, u64 receivedBytes, u64 durableBytes } | CRC |
 *     +----------+--------+------------------------------------------------------------+-----+
 *
 * A hop acknowledges a packet when it has written it and everyone downstream has acknowledged it. `receivedBytes` and
 * `durableBytes` are lengths of the replica: what is written, and what is on disk for good. The ACK of LAST is sent after the
 * durable order (promises.md, P1): then durableBytes is the whole length, unless the write asked for `isDurable: false`.
 */
export const frameMagic = 0xdf;
export const framePrefixBytes = 8;
export const packetHeaderBytes = 28;
const headerChecksumAt = packetHeaderBytes - 4;
const checksumBytes = 4;
const ackHeaderBytes = 6;
const ackEntryBytes = 17;

export const signOfLifeMs = 2000;
export const silenceLimitMs = 8000;

export const frameTypes = { hello: 1, status: 2, write: 3, read: 4, packet: 5, ack: 6, transfer: 7, working: 8 } as const;
export const packetFlags = { last: 1, sync: 2, flush: 4 } as const;

/** What fits in a frame; a larger one closes the channel. 4 MiB of data and its checksums and then some. */
export const maxFrameBodyBytes = 5 * 1024 * 1024;
/** Bodies of hello, status, write and read are JSON, and small. */
export const maxControlBodyBytes = 256 * 1024;
/** Data in a packet and bytes a checksum covers, as our client writes them: measured best (performance.md). */
export const defaultPacketDataBytes = 512 * 1024;
export const defaultChunkBytes = 64 * 1024;

/**
 * `create`: a new replica. `recover`: one of the replicas of a broken pipeline: its generation stamp becomes that of `block`, it is
 * cut to `keepBytes`, and bytes go on from there. `transfer`: a copy of another node's replica, of `block.lengthBytes`.
 */
export interface WriteRequest {
  stage: 'create' | 'recover' | 'transfer';
  /** Its length: 0 for create; for transfer the whole. Its generation stamp: the one that the replica is to have. */
  block: Block;
  storageId: string;
  token: string;
  /** The rest of the pipeline, next hop first. */
  downstream: ReplicaLocation[];
  chunkBytes: number;
  /** fsync before the last ACK, as promised. */
  isDurable: boolean;
  /** recover: the length acknowledged by all; a multiple of chunkBytes or the replica's own end. The sender goes on from it. */
  keepBytes: number;
  /** recover: the generation stamp that the replica had. */
  previousGenerationStamp?: number;
  /** transfer: finalize after LAST (repair), or keep the replica as one being written (it then joins a pipeline by `recover`). */
  isFinal: boolean;
  /** create: the block's only packet comes right behind. It goes on with the request, and spares each hop of a small block a write. */
  isFollowed?: boolean;
}

/** Asks a node to copy the first `block.lengthBytes` of its replica, being written or finalized, to `target`, to be kept as being written. */
export interface TransferRequest {
  block: Block;
  token: string;
  target: ReplicaLocation;
}

export interface ReadRequest {
  /** Any length; generation stamp and id must be those of the replica. */
  block: Block;
  token: string;
  offsetBytes: number;
  lengthBytes: number;
}

/** The answer to WRITE and READ. A refusal names the node that refused (the first bad one of a pipeline, by its uuid). */
export type StatusMessage =
  | { ok: true; chunkBytes: number; /** READ: where the first packet begins, `offsetBytes` rounded down to a chunk. */ offsetBytes: number; replicaLengthBytes: number }
  | { ok: false; error: WireError; badDatanode?: string };

export interface PacketHeader {
  sequence: number;
  dataLength: number;
  offsetInBlock: number;
  chunkBytes: number;
  checksumCount: number;
  isLast: boolean;
  /** fsync what there is before acknowledging (hsync). */
  isSync: boolean;
  /** Somebody waits for its acknowledgement to rely on it (hflush): what is written is kept though the write may fail later. */
  isFlush?: boolean;
}

export const ackStatuses = ['ok', 'error', 'checksum', 'noSpace', 'stale'] as const;
export type AckStatus = (typeof ackStatuses)[number];

export interface AckEntry {
  status: AckStatus;
  receivedBytes: number;
  durableBytes: number;
}

export interface Ack {
  sequence: number;
  entries: AckEntry[];
}

/** One received frame. `body` is only valid until `release()`, which gives its buffer back to the pool: exactly once. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  /** Prefix and body together, as they came: forwarding a packet is writing this. */
  readonly raw: Buffer;
  release(): void;
}

/** A stream of frames to one other node: the seam that a simulated network replaces. */
export interface BlockChannel {
  /** host:port of the other end. */
  readonly remoteAddress: string;
  /**
   * The next frame, in order; null when the other end has ended. A process that dies between two frames looks the same, so
   * in the middle of an operation null is a failure. Rejects with InputOutputError after a reset or an end in the middle of a
   * frame, and when nothing came for the channel's idle limit. One read at a time.
   */
  read(): Promise<Frame | null>;
  /**
   * Sends whole frames (a frame may come in pieces). Resolves when the bytes were taken and may be reused by the caller;
   * rejects once the channel is broken. Writes may overlap; they keep their order.
   */
  write(pieces: Uint8Array[]): Promise<void>;
  /** No more frames from this side. */
  end(): void;
  /** Breaks the channel off: reads and writes in progress reject. Harmless when repeated. */
  destroy(): void;
  readonly isDestroyed: boolean;
  /**
   * Calls `listener` once, when the other end has ended or the channel is broken (at once if it is so already): for whoever works for the
   * other end without reading or writing. Returns what takes the listener back.
   */
  onGone(listener: () => void): () => void;
}

/** Opens channels. The hello was sent, and the other's is read and checked by the first read: ClusterMismatchError, VersionMismatchError. */
export interface BlockChannelConnector {
  /**
   * UnavailableError if nothing answers within the connect limit. May hand out a pooled channel whose last operation ended in good order,
   * unless `isFresh`.
   */
  connect(address: string, options?: { signal?: AbortSignal; isFresh?: boolean }): Promise<BlockChannel>;
  /** Gives a channel whose operation has ended in good order back for the next one. */
  release(channel: BlockChannel): void;
  close(): void;
}

export function encodePrefix(target: Buffer, type: number, flags: number, bodyLength: number): void {
  target[0] = frameMagic;
  target[1] = type;
  target.writeUInt16BE(flags, 2);
  target.writeUInt32BE(bodyLength, 4);
}

/** A frame whose body is the JSON of `message`, and its checksum. */
export function encodeControl(type: number, message: object, flags = 0): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const isChecked = type !== frameTypes.hello;
  const bodyLength = json.length + (isChecked ? checksumBytes : 0);
  const frame = Buffer.allocUnsafe(framePrefixBytes + bodyLength);
  encodePrefix(frame, type, flags, bodyLength);
  json.copy(frame, framePrefixBytes);
  if (isChecked) frame.writeUInt32BE(crc32(json, type), framePrefixBytes + json.length);
  return frame;
}

/** What `encodeControl` was given; undefined if it was damaged on its way. */
export function decodeControl({ type, body }: Pick<Frame, 'type' | 'body'>): unknown {
  const end = type === frameTypes.hello ? body.length : body.length - checksumBytes;
  if (end < 0 || (end < body.length && crc32(body.subarray(0, end), type) !== body.readUInt32BE(end))) return undefined;
  try {
    return JSON.parse(body.toString('utf8', 0, end)) as unknown;
  } catch {
    return undefined;
  }
}

/** Bytes from a frame's begin to its data, for `dataLength` bytes of data: a writer reserves these in front of its data. */
export function packetOverheadBytes(dataLength: number, chunkBytes: number): number {
  return framePrefixBytes + packetHeaderBytes + 4 * Math.ceil(dataLength / chunkBytes);
}

/** Writes prefix and packet header, with its checksum, at the begin of `target`; the checksums and data follow at `framePrefixBytes + packetHeaderBytes`. */
export function encodePacketHeader(target: Buffer, header: PacketHeader): void {
  const flags = (header.isLast ? packetFlags.last : 0) | (header.isSync ? packetFlags.sync : 0) | (header.isFlush ? packetFlags.flush : 0);
  encodePrefix(target, frameTypes.packet, flags, packetHeaderBytes + 4 * header.checksumCount + header.dataLength);
  const at = framePrefixBytes;
  target.writeUInt32BE(header.sequence, at);
  target.writeUInt32BE(header.dataLength, at + 4);
  target.writeBigUInt64BE(BigInt(header.offsetInBlock), at + 8);
  target.writeUInt32BE(header.chunkBytes, at + 16);
  target.writeUInt32BE(header.checksumCount, at + 20);
  target.writeUInt32BE(crc32(target.subarray(0, at + headerChecksumAt)), at + headerChecksumAt);
}

/** The header of a packet frame; undefined if it was damaged on its way, or its numbers do not fit each other or the frame. */
export function decodePacketHeader(frame: Pick<Frame, 'flags' | 'body' | 'raw'>): PacketHeader | undefined {
  const { body, flags, raw } = frame;
  if (body.length < packetHeaderBytes) return undefined;
  if (crc32(raw.subarray(0, framePrefixBytes + headerChecksumAt)) !== body.readUInt32BE(headerChecksumAt)) return undefined;
  const offsetInBlock = Number(body.readBigUInt64BE(8));
  const header: PacketHeader = {
    sequence: body.readUInt32BE(0),
    dataLength: body.readUInt32BE(4),
    offsetInBlock,
    chunkBytes: body.readUInt32BE(16),
    checksumCount: body.readUInt32BE(20),
    isLast: (flags & packetFlags.last) !== 0,
    isSync: (flags & packetFlags.sync) !== 0,
    isFlush: (flags & packetFlags.flush) !== 0,
  };
  if (header.chunkBytes === 0 || !Number.isSafeInteger(offsetInBlock)) return undefined;
  if (header.checksumCount !== Math.ceil(header.dataLength / header.chunkBytes)) return undefined;
  if (body.length !== packetHeaderBytes + 4 * header.checksumCount + header.dataLength) return undefined;
  return header;
}

export function packetChecksums(body: Buffer, header: PacketHeader): Buffer {
  return body.subarray(packetHeaderBytes, packetHeaderBytes + 4 * header.checksumCount);
}

export function packetData(body: Buffer, header: PacketHeader): Buffer {
  return body.subarray(packetHeaderBytes + 4 * header.checksumCount);
}

export function encodeAck(ack: Ack): Buffer {
  const bodyLength = ackHeaderBytes + ackEntryBytes * ack.entries.length + checksumBytes;
  const frame = Buffer.allocUnsafe(framePrefixBytes + bodyLength);
  encodePrefix(frame, frameTypes.ack, 0, bodyLength);
  frame.writeUInt32BE(ack.sequence, framePrefixBytes);
  frame.writeUInt16BE(ack.entries.length, framePrefixBytes + 4);
  let at = framePrefixBytes + ackHeaderBytes;
  for (const entry of ack.entries) {
    const status = ackStatuses.indexOf(entry.status);
    assert(status >= 0, 'an ack status is one of the known ones');
    frame[at] = status;
    frame.writeBigUInt64BE(BigInt(entry.receivedBytes), at + 1);
    frame.writeBigUInt64BE(BigInt(entry.durableBytes), at + 9);
    at += ackEntryBytes;
  }
  frame.writeUInt32BE(crc32(frame.subarray(framePrefixBytes, at), frameTypes.ack), at);
  return frame;
}

/** Undefined if the body is no ACK, or was damaged on its way. */
export function decodeAck(body: Buffer): Ack | undefined {
  const end = body.length - checksumBytes;
  if (end < ackHeaderBytes || crc32(body.subarray(0, end), frameTypes.ack) !== body.readUInt32BE(end)) return undefined;
  const count = body.readUInt16BE(4);
  if (end !== ackHeaderBytes + count * ackEntryBytes) return undefined;
  const entries: AckEntry[] = [];
  for (let i = 0, at = ackHeaderBytes; i < count; i++, at += ackEntryBytes) {
    const [receivedBytes, durableBytes] = [Number(body.readBigUInt64BE(at + 1)), Number(body.readBigUInt64BE(at + 9))];
    if (!Number.isSafeInteger(receivedBytes) || !Number.isSafeInteger(durableBytes)) return undefined;
    entries.push({ status: ackStatuses[body[at]!] ?? 'error', receivedBytes, durableBytes });
  }
  return { sequence: body.readUInt32BE(0), entries };
}
