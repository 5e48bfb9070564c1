import type { Address } from '../../source/base/address.js';
import type { Logger } from '../../source/base/log.js';
import type { BlockChannelConnector } from '../../source/protocol/block-stream.js';
import type { Identity } from '../../source/protocol/hello.js';
import { createAcceptedChannel, type ServeBlockChannel } from '../../source/transport/block-channel-acceptor.js';
import { createBlockChannelConnector } from '../../source/transport/block-channel-connector.js';
import { BufferPool } from '../../source/transport/buffer-pool.js';
import type { FrameChannel, FrameTransport } from '../../source/transport/frame-channel.js';
import type { PipeEnd, SimulatedNetwork } from './simulated-network.js';
import { never, type SimulatedProcess } from './simulated-process.js';

/** What two sockets hold of what is on its way. */
const windowBytes = 256 * 1024;

/** A process's buffers for frames: its own, since those of a killed one never come back. */
export function createFramePool(): BufferPool {
  return new BufferPool({ maxIdleBytes: 4 * 1024 * 1024, pressureBytes: 32 * 1024 * 1024 });
}

/** The real connector, with its pool of channels, dialling over the simulated network. */
export function createSimulatedConnector(network: SimulatedNetwork, process: SimulatedProcess, identity: Identity, pool: BufferPool): BlockChannelConnector {
  return createBlockChannelConnector({
    identity,
    clock: process.clock,
    pool,
    dial: async (channel, target: Address, { connectTimeoutMs, signal, onClosed }) => {
      const pipe = await network.connect(process, target, { kind: 'block', timeoutMs: connectTimeoutMs, signal });
      attach(network, pipe, channel, onClosed);
    },
  });
}

/** The real accepting side. */
export function acceptSimulatedChannel(network: SimulatedNetwork, pipe: PipeEnd, node: { process: SimulatedProcess; identity: Identity; logger: Logger; pool: BufferPool; serve: ServeBlockChannel }): void {
  const { process, identity, logger, pool, serve } = node;
  const channel = createAcceptedChannel({
    serve,
    identity,
    remoteAddress: pipe.remoteAddress,
    clock: process.clock,
    logger,
    pool,
    limits: { blockIdleTimeoutMs: 60_000, maxFramesInFlight: 16 },
  });
  attach(network, pipe, channel, () => {});
}

function attach(network: SimulatedNetwork, pipe: PipeEnd, channel: FrameChannel, onClosed: () => void): void {
  const transport = new PipeTransport(network, pipe, channel, onClosed);
  pipe.listen(transport);
  channel.attach(transport);
}

/** The bytes of one write on their way; `taken` is called when the receiver has them. */
interface Chunk {
  bytes: Buffer;
  taken: () => void;
}

class PipeTransport implements FrameTransport {
  readonly #network: SimulatedNetwork;
  readonly #pipe: PipeEnd;
  readonly #channel: FrameChannel;
  readonly #onClosed: () => void;
  #unreadBytes = 0;
  #waiting: { chunk: Chunk; resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Writes that a break has hit. */
  readonly #cutOff: ((error: Error) => void)[] = [];
  #received: Chunk[] = [];
  #isEnding = false;
  #isPaused = false;
  #hasPeerEnded = false;
  #isGone = false;

  constructor(network: SimulatedNetwork, pipe: PipeEnd, channel: FrameChannel, onClosed: () => void) {
    this.#network = network;
    this.#pipe = pipe;
    this.#channel = channel;
    this.#onClosed = onClosed;
  }

  write(pieces: Uint8Array[]): Promise<void> {
    const { process } = this.#pipe;
    if (!process.enterSeam()) return never();
    if (this.#isGone || this.#pipe.isClosed) return Promise.reject(reset());
    const bytes = Buffer.concat(pieces);
    process.simulator.note('write', process.name, this.#pipe.remoteAddress, bytes.length);
    const { faults, random, onFault } = this.#network;
    if (faults.flip > 0 && bytes.length > 200 && random.next() < faults.flip) {
      onFault('stream-flip');
      bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    }
    if (faults.streamReset > 0 && random.next() < faults.streamReset) {
      onFault('stream-reset');
      const part = bytes.subarray(0, random.integer(bytes.length));
      if (part.length > 0) this.#pipe.send({ bytes: Buffer.from(part), taken: () => {} } satisfies Chunk, part.length);
      process.after(0.05 + random.next() * 0.5, () => this.#pipe.breakOff());
      return new Promise((_resolve, reject) => this.#cutOff.push(reject));
    }
    return new Promise((resolve, reject) => {
      const chunk: Chunk = {
        bytes,
        taken: () => {
          this.#unreadBytes -= bytes.length;
          // The sender's own wake-up.
          process.now(() => this.#pump());
        },
      };
      this.#waiting.push({ chunk, resolve, reject });
      this.#pump();
    });
  }

  resume(): void {
    this.#isPaused = false;
    this.#pipe.process.after(0, () => this.#read());
  }

  end(): void {
    if (!this.#pipe.process.enterSeam()) return;
    this.#isEnding = true;
    this.#pump();
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const { reject } of this.#waiting.splice(0)) reject(reset());
    for (const reject of this.#cutOff.splice(0)) reject(reset());
    this.#received = [];
    this.#pipe.close();
    this.#onClosed();
  }

  setReferenced(): void {}

  // From the pipe.

  onItem(item: unknown): void {
    this.#received.push(item as Chunk);
    this.#read();
  }

  onEnd(): void {
    this.#hasPeerEnded = true;
    this.#read();
  }

  onReset(): void {
    const { simulator, name } = this.#pipe.process;
    simulator.note('broken', name, this.#pipe.remoteAddress);
    this.#channel.onClose(reset());
    this.destroy();
  }

  /** Gives the channel what has come, until it has enough. */
  #read(): void {
    while (!this.#isPaused && !this.#isGone && this.#received.length > 0) {
      const chunk = this.#received[0]!;
      const target = this.#channel.nextBuffer();
      const count = Math.min(target.length, chunk.bytes.length);
      chunk.bytes.copy(target, 0, 0, count);
      if (count === chunk.bytes.length) {
        this.#received.shift();
        chunk.taken();
      } else {
        chunk.bytes = chunk.bytes.subarray(count);
      }
      this.#isPaused = !this.#channel.onBytes(count);
    }
    if (this.#hasPeerEnded && !this.#isGone && this.#received.length === 0) {
      this.#hasPeerEnded = false;
      this.#channel.onEnd();
    }
  }

  /** Lets writes into the window, in order, as long as there is room. */
  #pump(): void {
    while (!this.#isGone && this.#waiting.length > 0 && this.#unreadBytes < windowBytes) {
      const { chunk, resolve } = this.#waiting.shift()!;
      this.#unreadBytes += chunk.bytes.length;
      this.#pipe.send(chunk, chunk.bytes.length);
      resolve();
    }
    if (this.#isEnding && this.#waiting.length === 0) this.#pipe.end();
  }
}

function reset(): NodeJS.ErrnoException {
  return Object.assign(new Error('reset'), { code: 'ECONNRESET' });
}
