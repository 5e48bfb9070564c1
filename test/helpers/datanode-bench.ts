import { systemClock } from '../../source/base/clock.js';
import type { Clock } from '../../source/base/clock.js';
import { createLogger, type Logger, silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import { DataNode, type DataNodeSettings } from '../../source/datanode/data-node.js';
import type { Block, ReplicaLocation } from '../../source/protocol/block.js';
import {
  type Ack,
  type BlockChannel,
  type BlockChannelConnector,
  decodeAck,
  decodeControl,
  decodePacketHeader,
  encodeControl,
  encodePacketHeader,
  framePrefixBytes,
  type Frame,
  frameTypes,
  packetChecksums,
  packetData,
  packetHeaderBytes,
  type ReadRequest,
  type StatusMessage,
  type WriteRequest,
} from '../../source/protocol/block-stream.js';
import type { DatanodeCommand, DatanodeProtocol, DatanodeServiceProtocol } from '../../source/protocol/datanode-protocol.js';
import { OutcomeUnknownError, UnavailableError } from '../../source/protocol/errors.js';
import type { Identity } from '../../source/protocol/hello.js';
import type { ParamsOf, ResultOf, RpcCaller } from '../../source/protocol/method.js';
import { LocalBlockStore } from '../../source/storage/local-block-store.js';
import { connectError } from '../../source/transport/connect-error.js';
import { createMemoryChannelPair } from './memory-channel.js';
import { chunkChecksums } from './replica-content.js';
import { failure, SimulatedDisk } from './simulated-disk.js';

type Method = keyof DatanodeProtocol & string;

/** A name node that answers as it is told, and remembers what it heard. */
export class ScriptedNameNode implements RpcCaller<DatanodeProtocol> {
  readonly heard: { method: Method; params: Record<string, unknown> }[] = [];
  /** Go out with the next heartbeat's answer. */
  commands: DatanodeCommand[] = [];
  clusterId = 'cluster-1';
  heartbeatIntervalMs = 5;
  blockReportIntervalMs = 3_600_000;
  epoch = 0;
  /** Throw to fail a call. */
  onCall: (method: Method, params: Record<string, unknown>) => void | Promise<void> = () => {};

  async call<M extends Method>(method: M, params: ParamsOf<DatanodeProtocol, M>): Promise<ResultOf<DatanodeProtocol, M>> {
    await Promise.resolve();
    await this.onCall(method, params as Record<string, unknown>);
    this.heard.push({ method, params: params as Record<string, unknown> });
    return this.#answer(method) as ResultOf<DatanodeProtocol, M>;
  }

  close(): void {}

  all<M extends Method>(method: M): ParamsOf<DatanodeProtocol, M>[] {
    return this.heard.filter((call) => call.method === method).map((call) => call.params as ParamsOf<DatanodeProtocol, M>);
  }

  /** `received 5_1001`, in order. */
  events(): string[] {
    return this.all('datanode.blockReceivedAndDeleted').flatMap(({ events }) =>
      events.map(({ kind, block }) => `${kind} ${block.blockId}_${block.generationStamp}`),
    );
  }

  #answer(method: Method): unknown {
    switch (method) {
      case 'datanode.register':
        return {
          clusterId: this.clusterId,
          name: 'dn1',
          epoch: ++this.epoch,
          heartbeatIntervalMs: this.heartbeatIntervalMs,
          blockReportIntervalMs: this.blockReportIntervalMs,
        };
      case 'datanode.sendHeartbeat':
        return { commands: this.commands.splice(0) };
      default:
        return null;
    }
  }
}

export interface BenchNode {
  name: string;
  address: string;
  disk: SimulatedDisk;
  store: LocalBlockStore;
  dataNode: DataNode;
  nameNode: ScriptedNameNode;
  location: ReplicaLocation;
  /** Channels that others opened to it. */
  channels: Set<BlockChannel>;
}

export interface LinkFaults {
  /** Changes packets on their way to this node, or from it. */
  corrupt?: (bytes: Buffer) => void;
  /** How long a channel to this node may stand still. */
  idleTimeoutMs?: number;
  /** Nobody has a descriptor to connect to this node with. */
  hasNoDescriptor?: boolean;
}

/** Data nodes in one process, over channels in memory and simulated disks. */
export class DatanodeBench {
  readonly nodes: BenchNode[] = [];
  readonly faults = new Map<string, LinkFaults>();
  readonly #dead = new Set<string>();
  /** Before a call of one data node to another, and after its work: throw to lose the call, or its answer. */
  onPeerCall: (call: { method: string; address: string; isDone: boolean }) => void | Promise<void> = () => {};
  readonly #clock: Clock;
  readonly #logger: Logger = process.env.DFSH_TEST_LOG ? createLogger((line) => process.stderr.write(line)) : silentLogger;

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  async add(options: { settings?: Partial<DataNodeSettings>; disk?: SimulatedDisk } = {}): Promise<BenchNode> {
    const name = `dn${this.nodes.length + 1}`;
    const address = `${name}:9864`;
    const disk = options.disk ?? new SimulatedDisk();
    const random = seededRandom(this.nodes.length + 1);
    const store = await LocalBlockStore.open({
      disk: disk.mount(),
      directories: ['/data'],
      clock: this.#clock,
      random,
      logger: this.#logger,
    });
    const nameNode = new ScriptedNameNode();
    const identity: Identity = { clusterId: store.clusterId, role: 'datanode', user: 'hdfs', clientId: name };
    const dataNode = await DataNode.open({
      store,
      nameNode,
      connector: this.connector(),
      openPeer: (peerAddress) => this.#peer(peerAddress),
      clock: this.#clock,
      random,
      logger: this.#logger,
      identity,
      host: name,
      port: 9864,
      options: options.settings ?? {},
    });
    const { storageId } = (await store.readStorages())[0]!;
    const location: ReplicaLocation = { datanodeUuid: store.datanodeUuid, storageId, name, address, rack: '/default-rack', state: 'live' };
    const node: BenchNode = { name, address, disk, store, dataNode, nameNode, location, channels: new Set() };
    this.nodes.push(node);
    return node;
  }

  async addAll(count: number, settings: Partial<DataNodeSettings> = {}): Promise<BenchNode[]> {
    for (let i = 0; i < count; i++) await this.add({ settings });
    return this.nodes;
  }

  connector(): BlockChannelConnector {
    return {
      connect: async (address) => this.connect(address),
      release: () => {},
      close: () => {},
    };
  }

  connect(address: string): BlockChannel {
    const node = this.nodes.find((each) => each.address === address);
    if (!node || this.#dead.has(address)) throw new UnavailableError(`nothing answers at ${address}`);
    const { corrupt, idleTimeoutMs, hasNoDescriptor } = this.faults.get(address) ?? {};
    if (hasNoDescriptor) throw connectError(address, failure('EMFILE', 'too many open files'));
    const [opener, acceptor] = createMemoryChannelPair({
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
      corrupt: (bytes) => {
        if (bytes[1] === frameTypes.packet) corrupt?.(bytes);
      },
    });
    node.channels.add(acceptor);
    void node.dataNode
      .handleChannel(acceptor, { user: 'hdfs', clientId: 'test', role: 'client', remoteAddress: opener.remoteAddress })
      .finally(() => node.channels.delete(acceptor));
    return opener;
  }

  #peer(address: string): RpcCaller<DatanodeServiceProtocol> {
    return {
      call: async (method, params) => {
        await Promise.resolve();
        const node = this.nodes.find((each) => each.address === address);
        if (!node || this.#dead.has(address)) throw new UnavailableError(`nothing answers at ${address}`);
        await this.onPeerCall({ method, address, isDone: false });
        const context = { user: 'hdfs', clientId: 'peer', role: 'datanode', remoteAddress: 'peer:1' } as const;
        const result = await node.dataNode.handlers[method](params, context);
        await this.onPeerCall({ method, address, isDone: true });
        if (this.#dead.has(address)) throw new OutcomeUnknownError(`${address} broke off`);
        return result as never;
      },
      close: () => {},
    };
  }

  /** All its connections break, and it answers no more. What it had begun goes on in the dark. */
  kill(node: BenchNode): void {
    this.#dead.add(node.address);
    for (const channel of node.channels) channel.destroy();
  }

  revive(node: BenchNode): void {
    this.#dead.delete(node.address);
  }

  async close(): Promise<void> {
    for (const { dataNode, store } of this.nodes) {
      await dataNode.close();
      await store.close();
    }
  }
}

/** The least of a client: one write operation, step by step. */
export class TestWriter {
  readonly channel: BlockChannel;
  readonly #chunkBytes: number;
  #sequence = 0;

  constructor(channel: BlockChannel, chunkBytes = 64) {
    this.channel = channel;
    this.#chunkBytes = chunkBytes;
  }

  async open(pipeline: BenchNode[], block: Block, more: Partial<WriteRequest> = {}): Promise<StatusMessage> {
    const [first, ...rest] = pipeline.map((node) => node.location);
    const request: WriteRequest = {
      stage: 'create',
      block,
      storageId: first!.storageId,
      token: '',
      downstream: rest,
      chunkBytes: this.#chunkBytes,
      isDurable: true,
      keepBytes: 0,
      isFinal: true,
      ...more,
    };
    await this.channel.write([encodeControl(frameTypes.write, request)]);
    return readStatus(this.channel);
  }

  /** Opens with the block's one packet right behind the request, or without it though it is promised. */
  openFollowed(pipeline: BenchNode[], block: Block, packet: { data: Buffer; offsetInBlock?: number; checksums?: Buffer } | undefined, more: Partial<WriteRequest> = {}): Promise<StatusMessage> {
    const opening = this.open(pipeline, block, { isFollowed: true, ...more });
    if (packet) void this.channel.write([packetFrame({ offsetInBlock: 0, chunkBytes: this.#chunkBytes, sequence: this.#sequence++, isLast: true, ...packet })]);
    return opening;
  }

  send(
    bytes: Buffer,
    offset: number,
    end: number,
    options: { isLast?: boolean; isSync?: boolean; checksums?: Buffer } = {},
  ): Promise<void> {
    return this.channel.write([
      packetFrame({
        data: bytes.subarray(offset, end),
        offsetInBlock: offset,
        chunkBytes: this.#chunkBytes,
        sequence: this.#sequence++,
        ...options,
      }),
    ]);
  }

  async sendAll(bytes: Buffer, options: { from?: number; packetBytes?: number; isLast?: boolean } = {}): Promise<void> {
    const { from = 0, packetBytes = 256, isLast = true } = options;
    for (let at = from; at < bytes.length || at === from; at += packetBytes) {
      const end = Math.min(at + packetBytes, bytes.length);
      await this.send(bytes, at, end, { isLast: isLast && end === bytes.length });
    }
  }

  async readAck(): Promise<Ack> {
    const frame = await readPastWorking(this.channel);
    if (!frame) throw new Error('the channel ended');
    const ack = frame.type === frameTypes.ack ? decodeAck(frame.body) : undefined;
    frame.release();
    if (!ack) throw new Error(`a frame of type ${frame.type} is no ack`);
    return ack;
  }

  /** Up to the acknowledgement of packet `sequence`, or the first one that is not all good. */
  async readAcksUpTo(sequence: number): Promise<Ack> {
    for (;;) {
      const ack = await this.readAck();
      if (ack.sequence === sequence || ack.entries.some((entry) => entry.status !== 'ok')) return ack;
    }
  }

  get lastSequence(): number {
    return this.#sequence - 1;
  }
}

export function packetFrame(packet: {
  data: Buffer;
  offsetInBlock: number;
  chunkBytes: number;
  sequence: number;
  isLast?: boolean;
  isSync?: boolean;
  checksums?: Buffer;
}): Buffer {
  const { data, offsetInBlock, chunkBytes, sequence, isLast = false, isSync = false } = packet;
  const checksums = packet.checksums ?? chunkChecksums(data, chunkBytes);
  const frame = Buffer.concat([Buffer.alloc(framePrefixBytes + packetHeaderBytes), checksums, data]);
  encodePacketHeader(frame, {
    sequence,
    dataLength: data.length,
    offsetInBlock,
    chunkBytes,
    checksumCount: checksums.length / 4,
    isLast,
    isSync,
  });
  return frame;
}

export async function readStatus(channel: BlockChannel): Promise<StatusMessage> {
  const frame = await readPastWorking(channel);
  if (frame?.type !== frameTypes.status) throw new Error(`no status, but ${frame?.type}`);
  const status = decodeControl(frame) as StatusMessage;
  frame.release();
  return status;
}

/** One read operation: the status and, if it is good, the verified bytes of whole chunks. */
export async function readRange(
  channel: BlockChannel,
  request: ReadRequest,
): Promise<{ status: StatusMessage; bytes: Buffer; packetCount: number; isVerified: boolean }> {
  await channel.write([encodeControl(frameTypes.read, request)]);
  const status = await readStatus(channel);
  const pieces: Buffer[] = [];
  let packetCount = 0;
  let isVerified = true;
  for (let isLast = !status.ok; !isLast;) {
    const frame = await channel.read();
    const header = frame && decodePacketHeader(frame);
    if (!frame || !header) throw new Error('no packet');
    const data = Buffer.from(packetData(frame.body, header));
    isVerified &&= chunkChecksums(data, header.chunkBytes).equals(packetChecksums(frame.body, header));
    pieces.push(data);
    packetCount++;
    isLast = header.isLast;
    frame.release();
  }
  return { status, bytes: Buffer.concat(pieces), packetCount, isVerified };
}

export async function until(isReached: () => boolean | Promise<boolean>, describe: () => string = () => 'the condition'): Promise<void> {
  for (let i = 0; i < 4000; i++) {
    if (await isReached()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`waited in vain for ${describe()}`);
}

/** The next frame that is more than a sign of life. */
async function readPastWorking(channel: BlockChannel): Promise<Frame | null> {
  for (;;) {
    const frame = await channel.read();
    if (frame?.type !== frameTypes.working) return frame;
    frame.release();
  }
}
