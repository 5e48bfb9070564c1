import { crc32 } from '../../source/base/checksum.js';
import type { Clock } from '../../source/base/clock.js';
import { sleep, systemClock } from '../../source/base/clock.js';
import { seededRandom } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import { createDfsClient } from '../../source/client/dfs-client.js';
import type { LocatedBlock, ReplicaLocation } from '../../source/protocol/block.js';
import {
  type AckStatus,
  type BlockChannel,
  type BlockChannelConnector,
  decodePacketHeader,
  encodeAck,
  decodeControl,
  encodeControl,
  encodePacketHeader,
  frameTypes,
  packetChecksums,
  packetData,
  framePrefixBytes,
  packetHeaderBytes,
  packetOverheadBytes,
  type ReadRequest,
  signOfLifeMs,
  type StatusMessage,
  type TransferRequest,
  type WriteRequest,
} from '../../source/protocol/block-stream.js';
import type { ClientProtocol } from '../../source/protocol/client-protocol.js';
import { type DfsError, FileAlreadyExistsError, FileNotFoundError, InputOutputError, NotEnoughReplicasError, NotReplicatedYetError, ReplicaNotFoundError, toWireError, UnavailableError } from '../../source/protocol/errors.js';
import type { FileStatus } from '../../source/protocol/file-status.js';
import type { CallOptions, ParamsOf, ResultOf, RpcCaller } from '../../source/protocol/method.js';
import { fakeChannelPair } from './fake-channel.js';

/** A data node that does what it is told: for the client's answers to faults that real ones show only by chance. */
export interface FakeNode {
  location: ReplicaLocation;
  isDown: boolean;
  state: 'live' | 'stale' | 'dead';
  /** By block id. */
  replicas: Map<number, { generationStamp: number; bytes: Buffer }>;
  /** What READ does to the packet at this offset before it is sent; true: break the connection off; a number: wait so long, ms, first. */
  onReadPacket?: ((data: Buffer, offset: number) => boolean | 'silent' | number | { breakAfterMs: number } | void) | undefined;
  /** Bytes of data in a packet of a READ; 65,536 if not said. */
  packetDataBytes?: number;
}

/** What happens to a packet at the head of a pipeline. */
export type PacketFault = { entry: number; status: AckStatus } | 'break' | 'silent' | 'working' | undefined;

interface FakeFile {
  status: FileStatus;
  blocks: LocatedBlock[];
}

/** A stopped process: it neither answers nor goes away. */
const forever = new Promise<void>(() => {});

type Call = { [M in keyof ClientProtocol & string]: { method: M; params: ParamsOf<ClientProtocol, M> } }[keyof ClientProtocol & string];

/** A name node and data nodes in memory, both scripted. The head of a pipeline stands for all of it. */
export class FakeCluster {
  readonly nodes: FakeNode[];
  readonly calls: Call[] = [];
  readonly requests: { address: string; type: 'write' | 'read' | 'transfer'; body: WriteRequest | ReadRequest | TransferRequest }[] = [];
  readonly files = new Map<string, FakeFile>();
  onPacket: (packet: { sequence: number; offset: number; isLast: boolean; isSync: boolean; nodes: FakeNode[]; request: WriteRequest }) => PacketFault = () => undefined;
  onWrite: (nodes: FakeNode[], request: WriteRequest) => StatusMessage | 'silent' | 'working' | undefined = () => undefined;
  /** Why a copy for a pipeline is refused. */
  onTransfer: (request: TransferRequest) => StatusMessage | undefined = () => undefined;
  /** Throws what a call is to fail with. */
  onCall: (call: Call) => void | Promise<void> = () => {};
  readonly clock: Clock;
  blockSizeBytes = 1 << 20;
  replication = 3;
  pageBlocks = 1000;
  openChannels = 0;
  /** Channels that were ever opened. */
  connectionCount = 0;
  /** A block that its writer confirms on fewer nodes is not accepted. */
  minReplication = 1;
  #lastId = 1000;

  constructor(nodeCount = 4, clock: Clock = systemClock) {
    this.clock = clock;
    this.nodes = Array.from({ length: nodeCount }, (_, index) => ({
      location: { datanodeUuid: `uuid-${index + 1}`, storageId: `storage-${index + 1}`, name: `dn${index + 1}`, address: `fake:${index + 1}`, rack: '/default-rack', state: 'live' as const },
      isDown: false,
      state: 'live' as const,
      replicas: new Map(),
    }));
  }

  client(options: { retryTimeoutMs?: number; isDurableClose?: boolean; hedgedReadDelayMs?: number } = {}): DfsClient {
    const nameNode: RpcCaller<ClientProtocol> = {
      call: async (method, params, callOptions: CallOptions = {}) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (callOptions.signal?.aborted) throw callOptions.signal.reason as Error;
        const call = structuredClone({ method, params }) as Call;
        this.calls.push(call);
        await this.onCall(call);
        return structuredClone(this.#answer(call)) as never;
      },
      close: () => {},
    };
    return createDfsClient({
      nameNode,
      nameNodeAddress: 'fake:9870',
      dataNode: () => {
        throw new Error('not scripted');
      },
      connector: this.#connector(),
      openFeed: async function* () {},
      identity: { clusterId: null, role: 'client', user: 'tester', clientId: 'c1' },
      clock: this.clock,
      random: seededRandom(1),
      options: { retryTimeoutMs: options.retryTimeoutMs ?? 60_000, isDurableClose: options.isDurableClose, hedgedReadDelayMs: options.hedgedReadDelayMs },
    });
  }

  methods(): string[] {
    return this.calls.map((call) => call.method);
  }

  /** A finished file whose blocks hold `bytes` on the first `replication` nodes. */
  addFile(path: string, bytes: Buffer): FakeFile {
    const file = this.#newFile(path, {});
    for (let offset = 0; offset < bytes.length; offset += this.blockSizeBytes) {
      const block = this.#newBlock(file, this.nodes.slice(0, this.replication));
      const content = bytes.subarray(offset, offset + this.blockSizeBytes);
      block.block.lengthBytes = content.length;
      for (const node of this.nodes.slice(0, this.replication)) node.replicas.set(block.block.blockId, { generationStamp: block.block.generationStamp, bytes: Buffer.from(content) });
    }
    Object.assign(file.status, { lengthBytes: bytes.length, isUnderConstruction: false });
    return file;
  }

  /** What a node holds of a file's blocks, one after the other. */
  contentOn(path: string, node: FakeNode): Buffer {
    return Buffer.concat(this.files.get(path)!.blocks.map((block) => node.replicas.get(block.block.blockId)?.bytes ?? Buffer.from('(absent)')));
  }

  #answer(call: Call): unknown {
    switch (call.method) {
      case 'fs.getServerDefaults':
        return { clusterId: 'fake', blockSizeBytes: this.blockSizeBytes, replication: this.replication, minReplication: 2, trashIntervalMinutes: 0, isDurableClose: true, softLeaseLimitMs: 60_000, supergroup: 'g' };
      case 'fs.create': {
        const { path, withBlock, blockSizeBytes, overwrite } = call.params;
        if (this.files.has(path) && !overwrite) throw new FileAlreadyExistsError(`${path} exists`, { path });
        const file = this.#newFile(path, blockSizeBytes ? { blockSizeBytes } : {});
        return { file: file.status, block: withBlock ? this.#newBlock(file, this.#choose([])) : null };
      }
      case 'fs.addBlock': {
        const { inodeId, previous, excluded } = call.params;
        const file = this.#byInode(inodeId);
        this.#checkWritten(previous);
        if (previous) Object.assign(file.blocks.at(-1)!, { block: previous.block });
        return this.#newBlock(file, this.#choose(excluded));
      }
      case 'fs.abandonBlock': {
        const file = this.#byInode(call.params.inodeId);
        if (file.blocks.pop()?.block.blockId !== call.params.block.blockId) throw new InputOutputError('not the last block');
        return null;
      }
      case 'fs.updateBlockForPipeline':
        return { generationStamp: ++this.#lastId, token: '' };
      case 'fs.updatePipeline': {
        const { written } = call.params;
        const block = this.#byInode(call.params.inodeId).blocks.at(-1)!;
        block.block = { ...written.block };
        block.locations = written.replicas.map((replica) => this.#node(replica.datanodeUuid).location);
        return null;
      }
      case 'fs.getAdditionalDatanodes': {
        const { existing, excluded, count } = call.params;
        const chosen = this.nodes.filter((node) => !existing.includes(node.location.datanodeUuid) && !excluded.includes(node.location.datanodeUuid)).slice(0, count);
        if (chosen.length === 0) throw new NotEnoughReplicasError('nobody left');
        return chosen.map((node) => node.location);
      }
      case 'fs.complete': {
        const { inodeId, last, renameTo } = call.params;
        const file = this.#byInode(inodeId);
        this.#checkWritten(last);
        if (last) Object.assign(file.blocks.at(-1)!, { block: last.block, locations: last.replicas.map((replica) => this.#node(replica.datanodeUuid).location) });
        Object.assign(file.status, { isUnderConstruction: false, lengthBytes: file.blocks.reduce((sum, block) => sum + block.block.lengthBytes, 0) });
        if (renameTo) {
          const path = [...this.files].find(([, other]) => other === file)![0];
          this.files.delete(path);
          this.files.set(renameTo.path, file);
        }
        return file.status;
      }
      case 'fs.getFileInfo':
        return this.files.get(call.params.path)?.status ?? null;
      case 'fs.delete': {
        const { path, inodeId } = call.params;
        return (inodeId === undefined || this.files.get(path)?.status.inodeId === inodeId) && this.files.delete(path);
      }
      case 'fs.getBlockLocations': {
        const { path, offsetBytes, lengthBytes } = call.params;
        const file = this.files.get(path);
        if (!file) throw new FileNotFoundError(`${path}: No such file or directory`, { path });
        const inRange = file.blocks.filter((block) => block.offsetBytes < offsetBytes + lengthBytes && block.offsetBytes + block.block.lengthBytes > offsetBytes);
        return { file: file.status, blocks: inRange.slice(0, this.pageBlocks), hasMore: inRange.length > this.pageBlocks };
      }
      case 'cluster.getDatanodes':
        return this.nodes.map((node) => ({ datanodeUuid: node.location.datanodeUuid, state: node.state }));
      case 'block.reportBadReplicas':
      case 'fs.renewLease':
        return null;
      default:
        throw new InputOutputError(`${call.method} is not scripted`);
    }
  }

  #newFile(path: string, options: { blockSizeBytes?: number }): FakeFile {
    const status: FileStatus = {
      name: path.slice(path.lastIndexOf('/') + 1),
      inodeId: ++this.#lastId,
      type: 'file',
      lengthBytes: 0,
      replication: this.replication,
      blockSizeBytes: options.blockSizeBytes ?? this.blockSizeBytes,
      modificationTimeMs: 0,
      accessTimeMs: 0,
      permission: 0o644,
      owner: 'tester',
      group: 'g',
      isUnderConstruction: true,
    };
    const file = { status, blocks: [] };
    this.files.set(path, file);
    return file;
  }

  #newBlock(file: FakeFile, nodes: FakeNode[]): LocatedBlock {
    const located: LocatedBlock = {
      block: { blockId: ++this.#lastId, generationStamp: ++this.#lastId, lengthBytes: 0 },
      blockIndex: file.blocks.length,
      offsetBytes: file.blocks.reduce((sum, block) => sum + block.block.lengthBytes, 0),
      locations: nodes.map((node) => node.location),
      token: '',
    };
    file.blocks.push(located);
    return located;
  }

  #checkWritten(written: { replicas: unknown[] } | null): void {
    if (written && written.replicas.length < this.minReplication) throw new NotReplicatedYetError(`on ${written.replicas.length} of ${this.minReplication}`);
  }

  #choose(excluded: string[]): FakeNode[] {
    const usable = this.nodes.filter((node) => !excluded.includes(node.location.datanodeUuid)).slice(0, this.replication);
    if (usable.length === 0) throw new NotEnoughReplicasError('could only be written to 0 of the 2 minReplication nodes', { details: ['dn1: excluded'] });
    return usable;
  }

  #byInode(inodeId: number): FakeFile {
    for (const file of this.files.values()) if (file.status.inodeId === inodeId) return file;
    throw new FileNotFoundError(`no inode ${inodeId}`);
  }

  #node(uuid: string): FakeNode {
    return this.nodes.find((node) => node.location.datanodeUuid === uuid)!;
  }

  #connector(): BlockChannelConnector {
    const idle = new Map<string, BlockChannel[]>();
    return {
      connect: async (address) => {
        const node = this.nodes.find((candidate) => candidate.location.address === address)!;
        await new Promise((resolve) => setImmediate(resolve));
        if (node.isDown) throw new UnavailableError(`${address} refused the connection`);
        const pooled = idle.get(address)?.pop();
        if (pooled && !pooled.isDestroyed) return pooled;
        const [near, far] = fakeChannelPair(address);
        this.openChannels++;
        this.connectionCount++;
        void this.#serve(node, far)
          .catch(() => far.destroy())
          .finally(() => this.openChannels--);
        return near;
      },
      release: (channel) => idle.set(channel.remoteAddress, [...(idle.get(channel.remoteAddress) ?? []), channel]),
      close: () => {
        for (const channel of [...idle.values()].flat()) channel.destroy();
      },
    };
  }

  async #serve(node: FakeNode, channel: BlockChannel): Promise<void> {
    for (let frame = await channel.read(); frame; frame = await channel.read()) {
      // After an operation that failed its packets still come.
      if (frame.type === frameTypes.packet) return channel.destroy();
      const body = decodeControl(frame) as WriteRequest & ReadRequest & TransferRequest;
      const type = frame.type === frameTypes.write ? 'write' : frame.type === frameTypes.read ? 'read' : 'transfer';
      this.requests.push({ address: node.location.address, type, body });
      if (type === 'write') await this.#receive(node, channel, body);
      else if (type === 'read') await this.#send(node, channel, body);
      else await this.#transfer(node, channel, body);
    }
  }

  async #receive(head: FakeNode, channel: BlockChannel, request: WriteRequest): Promise<void> {
    const nodes = [head, ...request.downstream.map((location) => this.#node(location.datanodeUuid))];
    const { block, stage, keepBytes, previousGenerationStamp } = request;
    const scripted = this.onWrite(nodes, request);
    const down = nodes.find((node) => node.isDown);
    if (scripted === 'silent') return forever;
    if (scripted === 'working') return this.#tellWorking(channel);
    if (scripted && !scripted.ok) return this.#refuse(channel, scripted);
    if (down) return this.#refuse(channel, { ok: false, error: toWireError(new UnavailableError('connection refused')), badDatanode: down.location.datanodeUuid });
    for (const node of nodes) {
      const old = node.replicas.get(block.blockId);
      if (stage === 'recover' && (!old || old.bytes.length < keepBytes || old.generationStamp < previousGenerationStamp!)) {
        return this.#refuse(channel, { ok: false, error: toWireError(new ReplicaNotFoundError('no such replica')), badDatanode: node.location.datanodeUuid });
      }
      node.replicas.set(block.blockId, { generationStamp: block.generationStamp, bytes: stage === 'recover' ? old!.bytes.subarray(0, keepBytes) : Buffer.alloc(0) });
    }
    await channel.write([encodeControl(frameTypes.status, { ok: true, chunkBytes: request.chunkBytes, offsetBytes: keepBytes, replicaLengthBytes: keepBytes })]);
    for (let lengthBytes = keepBytes; ; ) {
      const frame = await channel.read();
      const header = frame && decodePacketHeader(frame);
      if (!header) throw new Error('the writer sent no packet');
      const fault = this.onPacket({ sequence: header.sequence, offset: header.offsetInBlock, isLast: header.isLast, isSync: header.isSync, nodes, request });
      if (fault === 'break' || nodes.some((node) => node.isDown)) return channel.destroy();
      if (fault === 'silent') return forever;
      if (fault === 'working') return this.#tellWorking(channel);
      const data = packetData(frame.body, header);
      if (header.offsetInBlock !== lengthBytes) throw new Error('a gap between packets');
      const checksums = packetChecksums(frame.body, header);
      for (let i = 0; i < header.checksumCount; i++) {
        if (crc32(data.subarray(i * header.chunkBytes, (i + 1) * header.chunkBytes)) !== checksums.readUInt32BE(4 * i)) throw new Error('a bad checksum from the writer');
      }
      const faulty = fault?.entry ?? nodes.length;
      // As in a real pipeline the bytes may be written though the acknowledgement fails.
      for (const node of nodes) {
        const replica = node.replicas.get(block.blockId)!;
        replica.bytes = Buffer.concat([replica.bytes, data]);
      }
      lengthBytes += data.length;
      const entries = nodes.map((_, index) => ({ status: fault && index === faulty ? fault.status : ('ok' as const), receivedBytes: lengthBytes, durableBytes: header.isLast && request.isDurable ? lengthBytes : 0 }));
      await channel.write([encodeAck({ sequence: header.sequence, entries })]);
      if (fault) return channel.destroy();
      if (header.isLast) return;
    }
  }

  /** It is there, and gets nowhere. */
  async #tellWorking(channel: BlockChannel): Promise<void> {
    for (;;) {
      await sleep(this.clock, signOfLifeMs);
      await channel.write([encodeControl(frameTypes.working, {})]);
    }
  }

  async #send(node: FakeNode, channel: BlockChannel, request: ReadRequest): Promise<void> {
    const replica = node.replicas.get(request.block.blockId);
    if (!replica || replica.generationStamp !== request.block.generationStamp) return this.#refuse(channel, { ok: false, error: toWireError(new ReplicaNotFoundError('no such replica') as DfsError) });
    const chunkBytes = 4096;
    const start = request.offsetBytes - (request.offsetBytes % chunkBytes);
    const end = Math.min(replica.bytes.length, Math.ceil((request.offsetBytes + request.lengthBytes) / chunkBytes) * chunkBytes);
    await channel.write([encodeControl(frameTypes.status, { ok: true, chunkBytes, offsetBytes: start, replicaLengthBytes: replica.bytes.length })]);
    let sequence = 0;
    for (let offset = start; ; ) {
      const data = Buffer.from(replica.bytes.subarray(offset, Math.min(end, offset + (node.packetDataBytes ?? 65_536))));
      const isLast = data.length === 0;
      const checksumCount = Math.ceil(data.length / chunkBytes);
      const front = Buffer.alloc(packetOverheadBytes(data.length, chunkBytes));
      encodePacketHeader(front, { sequence: sequence++, dataLength: data.length, offsetInBlock: offset, chunkBytes, checksumCount, isLast, isSync: false });
      for (let i = 0; i < checksumCount; i++) front.writeUInt32BE(crc32(data.subarray(i * chunkBytes, (i + 1) * chunkBytes)), framePrefixBytes + packetHeaderBytes + 4 * i);
      const fault = isLast ? undefined : node.onReadPacket?.(data, offset);
      if (fault === 'silent') return forever;
      if (typeof fault === 'object') await sleep(this.clock, fault.breakAfterMs);
      if (typeof fault === 'number') await sleep(this.clock, fault);
      else if (fault) return channel.destroy();
      await channel.write([front, data]);
      if (isLast) return;
      offset += data.length;
    }
  }

  async #transfer(node: FakeNode, channel: BlockChannel, request: TransferRequest): Promise<void> {
    const replica = node.replicas.get(request.block.blockId);
    const target = this.#node(request.target.datanodeUuid);
    const refusal = this.onTransfer(request);
    if (refusal) return this.#refuse(channel, refusal);
    if (!replica || target.isDown) return this.#refuse(channel, { ok: false, error: toWireError(new ReplicaNotFoundError('cannot transfer')) });
    target.replicas.set(request.block.blockId, { generationStamp: request.block.generationStamp, bytes: Buffer.from(replica.bytes.subarray(0, request.block.lengthBytes)) });
    await channel.write([encodeControl(frameTypes.status, { ok: true, chunkBytes: 65_536, offsetBytes: 0, replicaLengthBytes: request.block.lengthBytes })]);
  }

  async #refuse(channel: BlockChannel, status: StatusMessage): Promise<void> {
    await channel.write([encodeControl(frameTypes.status, status)]);
    channel.end();
  }
}

/** Bytes that differ everywhere, the same on each call. */
export function patternBytes(lengthBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let state = seed >>> 0;
  for (let i = 0; i < lengthBytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export async function writeFile(client: DfsClient, path: string, bytes: Buffer, options: Parameters<DfsClient['openWriter']>[1] & { pieceBytes?: number } = {}): ReturnType<Awaited<ReturnType<DfsClient['openWriter']>>['close']> {
  const { pieceBytes = 300_000, ...writeOptions } = options;
  const writer = await client.openWriter(path, writeOptions);
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) await writer.write(bytes.subarray(at, at + pieceBytes));
    return await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export async function readFile(client: DfsClient, path: string, options: Parameters<DfsClient['openReader']>[1] = {}): Promise<Buffer> {
  const reader = await client.openReader(path, options);
  const pieces: Buffer[] = [];
  try {
    for (let piece = await reader.read(); piece; piece = await reader.read()) {
      pieces.push(Buffer.from(piece.bytes));
      piece.release();
    }
  } finally {
    reader.close();
  }
  return Buffer.concat(pieces);
}
