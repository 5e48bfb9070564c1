import type { Clock } from '../base/clock.js';
import type { PeerWait } from '../protocol/datanode-protocol.js';

const windowMs = 60_000;
const maxReported = 64;
/** A heartbeat a second, of thousands of nodes, is to be short. */
const tellIntervalMs = 10_000;

interface Sum {
  packetCount: number;
  waitMs: number;
}

/**
 * How long this node waits for the last node of a pipeline behind it, beyond what it takes itself: of a node that is as quick, hardly ever;
 * so it is that one's disk or network that is measured, and nobody else's (Hadoop: DataNodePeerMetrics, sendPacketDownstream). Of the last
 * one to two minutes.
 */
export class PeerWaits {
  readonly #clock: Clock;
  #current = new Map<string, Sum>();
  #before = new Map<string, Sum>();
  #beganMs: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #hasTold = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
  }

  /** One packet, written here, was acknowledged by the peer after so long. */
  note(datanodeUuid: string, waitMs: number): void {
    this.#turn();
    const sum = this.#current.get(datanodeUuid);
    if (sum) {
      sum.packetCount++;
      sum.waitMs += waitMs;
    } else this.#current.set(datanodeUuid, { packetCount: 1, waitMs });
  }

  /** Of up to 64 peers, those with the most packets; nothing if there never was anything to tell, or it was told in the last 10 s. */
  forHeartbeat(): { peerWaits?: PeerWait[] } {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs < tellIntervalMs) return {};
    this.#turn();
    // That there is nothing any more is told again and again: a heartbeat may be lost.
    if (!this.#hasTold && this.#before.size + this.#current.size === 0) return {};
    this.#toldMs = nowMs;
    this.#hasTold = true;
    const waits: PeerWait[] = [];
    for (const datanodeUuid of new Set([...this.#before.keys(), ...this.#current.keys()])) {
      const [before, current] = [this.#before.get(datanodeUuid), this.#current.get(datanodeUuid)];
      waits.push({ datanodeUuid, packetCount: (before?.packetCount ?? 0) + (current?.packetCount ?? 0), waitMs: Math.round((before?.waitMs ?? 0) + (current?.waitMs ?? 0)) });
    }
    return { peerWaits: waits.length <= maxReported ? waits : waits.sort((a, b) => b.packetCount - a.packetCount).slice(0, maxReported) };
  }

  #turn(): void {
    const ageMs = this.#clock.monotonicMs() - this.#beganMs;
    if (ageMs < windowMs) return;
    this.#before = ageMs < 2 * windowMs ? this.#current : new Map<string, Sum>();
    this.#current = new Map();
    this.#beganMs += ageMs;
  }
}
