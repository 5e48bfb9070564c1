import type { Random } from '../../source/base/random.js';
import { UnavailableError } from '../../source/protocol/errors.js';
import { never, type SimulatedProcess } from './simulated-process.js';
import type { Simulator } from './simulator.js';
import { Troubles } from './troubles.js';

/** What a program does with the connections to its port. */
export type Accept = (pipe: PipeEnd, kind: PipeKind) => void;
export type PipeKind = 'rpc' | 'block';

/** The way from one host to another, this way only. */
interface Link {
  cuts: number;
  slowness: number[];
  /** Waits for the end of the cut, in order. */
  held: (() => void)[];
}

interface Host {
  /** Its machine runs: it answers for programs that do not. */
  isUp: boolean;
  listeners: Map<number, { process: SimulatedProcess; accept: Accept }>;
}

/** Faults of single messages, each with a probability; all 0 in a healthy network. */
export interface MessageFaults {
  /** A message waits for up to `longestDelayMs`, and those behind it on its connection too. */
  delay: number;
  /** The connection breaks, with the message or before it. */
  reset: number;
  /** A block stream breaks in the middle of what is written. */
  streamReset: number;
  /** A request comes twice, the second time up to `longestDelayMs` later. */
  duplicate: number;
  /** The connection breaks for its sender, and the request arrives all the same, up to `longestDelayMs` later. */
  late: number;
  /** A bit of a block stream is flipped. */
  flip: number;
  longestDelayMs: number;
}

/** The request never arrives, or its answer, and the connection breaks; or the request comes a second time, later. */
export type CallFate = 'request-lost' | 'answer-lost' | 'repeated';

export const noMessageFaults: MessageFaults = { delay: 0, reset: 0, streamReset: 0, duplicate: 0, late: 0, flip: 0, longestDelayMs: 0 };

const bytesPerMs = 100_000;

/** Hosts, and what lies between them. Two ends of a connection behave as those of TCP: in order, whole, until it breaks. */
export class SimulatedNetwork {
  readonly simulator: Simulator;
  readonly random: Random;
  faults: MessageFaults = { ...noMessageFaults };
  readonly troubles: Troubles;
  /** Told of each fault of a message. */
  onFault: (kind: string) => void = () => {};
  /** Decides the fate of each call; undefined: as the others. */
  onCall: ((caller: string, method: string) => CallFate | undefined) | undefined;
  readonly #hosts = new Map<string, Host>();
  readonly #links = new Map<string, Link>();
  /** Packets on their way, by the host that sent them. */
  readonly #underWay = new Map<string, number>();
  #clientPort = 0;

  constructor(simulator: Simulator) {
    this.simulator = simulator;
    this.random = simulator.fork();
    this.troubles = new Troubles(() => simulator.nowMs);
  }

  host(name: string): Host {
    let host = this.#hosts.get(name);
    if (!host) this.#hosts.set(name, (host = { isUp: true, listeners: new Map() }));
    return host;
  }

  /** The process serves the port until it is dead. */
  listen(process: SimulatedProcess, port: number, accept: Accept): void {
    const { listeners } = this.host(process.host);
    listeners.set(port, { process, accept });
    process.onKilled(() => {
      if (listeners.get(port)?.process === process) listeners.delete(port);
    });
  }

  /** Nothing passes from one host to the other until the function that is returned is called. */
  cut(from: string, to: string): () => void {
    const link = this.#link(from, to);
    link.cuts++;
    for (const host of [from, to]) this.troubles.begin(host);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      for (const host of [from, to]) this.troubles.end(host);
      if (--link.cuts > 0) return;
      for (const deliver of link.held.splice(0)) this.simulator.schedule(0, deliver);
    };
  }

  isCut(from: string, to: string): boolean {
    return (this.#links.get(`${from}>${to}`)?.cuts ?? 0) > 0;
  }

  slowDown(from: string, to: string, factor: number): () => void {
    const link = this.#link(from, to);
    link.slowness.push(factor);
    for (const host of [from, to]) this.troubles.begin(host);
    return () => {
      link.slowness.splice(link.slowness.indexOf(factor), 1);
      for (const host of [from, to]) this.troubles.end(host);
    };
  }

  /** How long something of `bytes` takes. */
  latencyMs(from: string, to: string, bytes: number): number {
    const nearMs = from === to ? 0.03 : 0.15;
    const slowness = Math.max(1, ...(this.#links.get(`${from}>${to}`)?.slowness ?? []));
    return slowness * (nearMs * (1 + this.random.next()) + bytes / bytesPerMs);
  }

  /** Runs `deliver` at the other host when a packet sent now has arrived there, at `atMs` or, where the way is cut, when it is not any more. */
  transmit(from: string, to: string, atMs: number, deliver: () => void): void {
    this.#underWay.set(from, (this.#underWay.get(from) ?? 0) + 1);
    const arrive = () => {
      const link = this.#links.get(`${from}>${to}`);
      if (link && link.cuts > 0) {
        link.held.push(arrive);
        return;
      }
      this.#underWay.set(from, this.#underWay.get(from)! - 1);
      deliver();
    };
    this.simulator.schedule(atMs - this.simulator.nowMs, arrive);
  }

  /** UnavailableError where nobody listens, or nothing comes back in time. */
  connect(process: SimulatedProcess, target: { host: string; port: number }, options: { kind: PipeKind; timeoutMs: number; signal?: AbortSignal | undefined }): Promise<PipeEnd> {
    if (!process.enterSeam()) return never();
    const { simulator } = this;
    const { kind, timeoutMs, signal } = options;
    const address = `${target.host}:${target.port}`;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (act: () => void) => {
        if (isSettled) return;
        isSettled = true;
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onAbort = () => settle(() => reject(signal!.reason as Error));
      const cancelTimer = process.after(timeoutMs, () => settle(() => reject(new UnavailableError(`nothing answers at ${address}: no connection within ${timeoutMs} ms`))));
      signal?.addEventListener('abort', onAbort, { once: true });
      const { host } = process;
      this.transmit(host, target.host, simulator.nowMs + this.latencyMs(host, target.host, 64), () => {
        const there = this.host(target.host);
        if (!there.isUp) return;
        const listener = there.listeners.get(target.port);
        const ends = listener && createPipe(this, process, listener.process, address);
        this.transmit(target.host, host, simulator.nowMs + this.latencyMs(target.host, host, 64), () =>
          process.now(() => {
            if (!ends) return settle(() => reject(new UnavailableError(`nothing answers at ${address} (connection refused)`)));
            if (isSettled) return ends[0].reset();
            settle(() => resolve(ends[0]));
          }),
        );
        // Its system takes connections for a process, whatever that does just now.
        if (ends) listener.process.now(() => listener.accept(ends[1], kind));
      });
    });
  }

  isOnItsWay(from: string): boolean {
    return (this.#underWay.get(from) ?? 0) > 0;
  }

  nextClientPort(): number {
    return 40_000 + (this.#clientPort++ % 20_000);
  }

  #link(from: string, to: string): Link {
    const key = `${from}>${to}`;
    let link = this.#links.get(key);
    if (!link) this.#links.set(key, (link = { cuts: 0, slowness: [], held: [] }));
    return link;
  }
}

/** What an end's owner hears. Each call is an event of its own, in the owner's process. */
export interface PipeListener {
  onItem(item: unknown): void;
  /** The other end sends nothing more. */
  onEnd(): void;
  /** The connection is broken. */
  onReset(): void;
}

function createPipe(network: SimulatedNetwork, client: SimulatedProcess, server: SimulatedProcess, address: string): [PipeEnd, PipeEnd] {
  const clientEnd = new PipeEnd(network, client, address);
  const serverEnd = new PipeEnd(network, server, `${client.host}:${network.nextClientPort()}`);
  clientEnd.join(serverEnd);
  serverEnd.join(clientEnd);
  return [clientEnd, serverEnd];
}

/** One end of a connection. Items are whatever the two sides agree on; they arrive in order, or the connection breaks. */
export class PipeEnd {
  readonly process: SimulatedProcess;
  readonly remoteAddress: string;
  readonly #network: SimulatedNetwork;
  #other!: PipeEnd;
  #listener: PipeListener | undefined;
  /** What came before there was a listener. */
  #early: (() => void)[] = [];
  #lastArrivalMs = 0;
  /** Takes nothing and sends nothing any more. */
  #isClosed = false;
  #hasEnded = false;
  #isProcessDead = false;

  constructor(network: SimulatedNetwork, process: SimulatedProcess, remoteAddress: string) {
    this.#network = network;
    this.process = process;
    this.remoteAddress = remoteAddress;
    process.onKilled(() => {
      this.#isProcessDead = true;
      // A dead process's system tells the other side; a machine without power does not.
      if (!this.#isClosed && network.host(process.host).isUp) this.#transmit(64, () => this.#other.#arriveReset());
      this.#isClosed = true;
    });
  }

  join(other: PipeEnd): void {
    this.#other = other;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  listen(listener: PipeListener): void {
    this.#listener = listener;
    for (const deliver of this.#early.splice(0)) deliver();
  }

  send(item: unknown, bytes: number, extraMs = 0): void {
    if (this.#isClosed || this.#hasEnded) return;
    this.#transmit(bytes, () => this.#other.#arrive(item), extraMs);
  }

  /** An item that comes beside the order of the connection, whatever has become of it: a stray of an earlier try. */
  sendStray(item: unknown, delayMs: number): void {
    const { host } = this.process;
    this.#network.transmit(host, this.#other.process.host, this.#network.simulator.nowMs + delayMs, () => this.#other.#arriveStray(item));
  }

  end(): void {
    if (this.#isClosed || this.#hasEnded) return;
    this.#hasEnded = true;
    this.#transmit(64, () => this.#other.#arriveEnd());
  }

  /** Closes this end; the other one hears of an end, and of a break if it sends something. */
  close(): void {
    this.end();
    this.#isClosed = true;
  }

  /** Breaks the connection off for both. */
  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#transmit(64, () => this.#other.#arriveReset());
  }

  /** Both ends hear of a break that neither made. */
  breakOff(): void {
    this.#arriveReset();
    this.#other.#arriveReset();
  }

  #transmit(bytes: number, deliver: () => void, extraMs = 0): void {
    const network = this.#network;
    const from = this.process.host;
    const to = this.#other.process.host;
    const atMs = Math.max(this.#lastArrivalMs, network.simulator.nowMs + extraMs + network.latencyMs(from, to, bytes));
    this.#lastArrivalMs = atMs;
    network.transmit(from, to, atMs, deliver);
  }

  #arrive(item: unknown): void {
    if (this.#isClosed) {
      if (this.#network.host(this.process.host).isUp) this.#transmit(64, () => this.#other.#arriveReset());
      return;
    }
    this.#deliver((listener) => listener.onItem(item));
  }

  #arriveStray(item: unknown): void {
    if (!this.#isProcessDead) this.#deliver((listener) => listener.onItem(item));
  }

  #arriveEnd(): void {
    if (!this.#isClosed) this.#deliver((listener) => listener.onEnd());
  }

  #arriveReset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deliver((listener) => listener.onReset());
  }

  /** In the receiving process, in order; held while it is stopped. */
  #deliver(tell: (listener: PipeListener) => void): void {
    this.process.now(() => {
      if (this.#listener) tell(this.#listener);
      else this.#early.push(() => tell(this.#listener!));
    });
  }
}
