import type { Random } from '../../source/base/random.js';

/** What one seed simulates. */
export interface SimulationConfig {
  dataNodeCount: number;
  disksPerNode: number;
  clientCount: number;
  /** Users of the file system, each with a directory of its own, spread over the clients. */
  actorCount: number;
  replication: number;
  minReplication: number;
  blockSizeBytes: number;
  heartbeatIntervalMs: number;
  staleNodeTimeoutMs: number;
  deadNodeTimeoutMs: number;
  blockReportIntervalMs: number;
  softLeaseLimitMs: number;
  hardLeaseLimitMs: number;
  retryTimeoutMs: number;
  abandonedReplicaLifetimeMs: number;
  scanPeriodMs: number;
  unknownReplicaGraceMs: number;
  rackCount: number;
  /** Between two operations of an actor, on average. */
  thinkTimeMs: number;
  /** Files of an actor. */
  fileCount: number;
  faultKinds: ReadonlySet<FaultKind>;
  /** On average. */
  faultIntervalMs: number;
  /** Users who all change the same few files. */
  contenderCount: number;
  /** What an administrator does now and then. */
  operationKinds: ReadonlySet<OperationKind>;
  /** Users look at what they have flushed while they write on, and say of new files that there must be none yet. */
  isStrict: boolean;
}

export const operationKinds = ['decommission', 'maintenance', 'recommission', 'balance', 'safe-mode', 'replication-storm'] as const;
export type OperationKind = (typeof operationKinds)[number];

export const faultKinds = [
  // Processes
  'data-node-kill',
  'name-node-kill',
  'client-kill',
  'crash-at-call',
  'power-cut',
  'power-cut-all',
  'pause',
  'clock-jump',
  // The network
  'messages',
  'streams',
  'partition',
  'one-way-cut',
  'slow-link',
  // Disks
  'slow-disk',
  'disk-hang',
  'full-disk',
  'read-only-disk',
  'disk-errors',
  'lost-disk',
  'bit-rot',
  'cut-file',
  // The name node's store
  'slow-commit',
  'full-store',
  'failed-commit',
  // Later ones: they are drawn apart, so that the seeds of before stay what they were
  'lying-sync',
  'cloned-node',
  'damaged-record',
] as const;
const laterFaultKinds: readonly FaultKind[] = ['lying-sync', 'cloned-node', 'damaged-record'];
export type FaultKind = (typeof faultKinds)[number];

const earlierFaultKinds = faultKinds.filter((kind) => !laterFaultKinds.includes(kind));

/** Another configuration for each seed. Half of the kinds of faults are on in each ("swarm testing": too many at once hide each other). */
export function drawConfig(random: Random): SimulationConfig {
  const oneOf = <T>(values: readonly T[]): T => values[random.integer(values.length)]!;
  const dataNodeCount = 3 + random.integer(4);
  const replication = oneOf([1, 2, 3, 3, 3]);
  const heartbeatIntervalMs = oneOf([500, 1000, 1000, 2000]);
  const share = oneOf([0.2, 0.5, 0.5, 0.8]);
  const kinds = earlierFaultKinds.filter(() => random.next() < share);
  const actorCount = 2 + random.integer(3);
  return {
    dataNodeCount,
    disksPerNode: oneOf([1, 1, 2, 3]),
    clientCount: 1 + random.integer(actorCount),
    actorCount,
    replication,
    minReplication: oneOf([1, 2, 2, 2]),
    blockSizeBytes: oneOf([4096, 10_000, 16_384, 65_536]),
    heartbeatIntervalMs,
    staleNodeTimeoutMs: 3 * heartbeatIntervalMs,
    deadNodeTimeoutMs: 10 * heartbeatIntervalMs,
    blockReportIntervalMs: oneOf([20_000, 60_000, 120_000]),
    softLeaseLimitMs: oneOf([10_000, 20_000, 60_000]),
    hardLeaseLimitMs: oneOf([60_000, 90_000]),
    retryTimeoutMs: oneOf([10_000, 30_000, 60_000]),
    abandonedReplicaLifetimeMs: 60_000,
    scanPeriodMs: oneOf([60_000, 120_000]),
    unknownReplicaGraceMs: oneOf([20_000, 60_000]),
    rackCount: oneOf([1, 1, 2, 3]),
    thinkTimeMs: oneOf([500, 1500, 3000]),
    fileCount: 3 + random.integer(6),
    faultKinds: new Set(kinds.length > 0 ? kinds : [oneOf(earlierFaultKinds)]),
    faultIntervalMs: oneOf([1000, 2000, 5000]),
    contenderCount: 0,
    operationKinds: new Set(),
    isStrict: false,
  };
}

/** What a seed has besides: each of it in some seeds only. */
export function withExtras(config: SimulationConfig, random: Random): SimulationConfig {
  const contenderCount = random.next() < 0.4 ? 2 + random.integer(3) : 0;
  const hasOperations = random.next() < 0.5;
  const operations = operationKinds.filter((kind) => hasOperations && random.next() < 0.6 && (kind !== 'replication-storm' || contenderCount > 0));
  const faults = laterFaultKinds.filter(() => random.next() < 0.3);
  return { ...config, contenderCount, operationKinds: new Set(operations), faultKinds: new Set([...config.faultKinds, ...faults]) };
}

/** No read may fail of these, however many there are: another replica is good. */
const harmlessFaultKinds: readonly FaultKind[] = ['bit-rot', 'cut-file', 'clock-jump'];

/** What came still later: in some seeds users look closer; in some faults are so rare that between them all must be well, or are of a kind that nobody may notice. */
export function withLaterExtras(config: SimulationConfig, random: Random): SimulationConfig {
  const isStrict = random.next() < 0.5;
  const draw = random.next();
  if (draw < 0.1) return { ...config, isStrict, faultKinds: new Set(harmlessFaultKinds), faultIntervalMs: 1000, replication: 3 };
  return draw < 0.3 ? { ...config, isStrict, faultIntervalMs: 15_000 } : { ...config, isStrict };
}
