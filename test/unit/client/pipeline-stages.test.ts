import test from 'ava';
import { InputOutputError, LeaseExpiredError, NotEnoughReplicasError, OutcomeUnknownError, toWireError, UnavailableError } from '../../../source/protocol/errors.js';
import { FakeCluster, patternBytes } from '../../helpers/fake-cluster.js';

const packetBytes = 512 * 1024;
const bytes = patternBytes(2 * packetBytes + 1000);

/** Something that goes wrong once, at a stage of a write (fault 1). `arm` says when it may. */
interface Stage {
  name: string;
  break(cluster: FakeCluster, once: () => boolean): void;
  /** The stage is reached only behind another failure. */
  isOfRecovery?: boolean;
}

function chain<A extends unknown[], R>(before: (...values: A) => R | undefined, next: (...values: A) => R | undefined): (...values: A) => R | undefined {
  return (...values) => before(...values) ?? next(...values);
}

const stages: Stage[] = [
  ...[0, 1, 2].map((hop) => ({
    name: `node ${hop + 1} refuses the block`,
    break: (cluster: FakeCluster, once: () => boolean) => {
      cluster.onWrite = chain(cluster.onWrite, (nodes, request) =>
        request.stage === 'create' && nodes[hop] && once() ? { ok: false, error: toWireError(new InputOutputError('disk')), badDatanode: nodes[hop].location.datanodeUuid } : undefined,
      );
    },
  })),
  ...[0, 1, 2].flatMap((sequence) =>
    (['break', 0, 1, 2] as const).map((fault) => ({
      name: fault === 'break' ? `the connection breaks at packet ${sequence}` : `node ${fault + 1} fails at packet ${sequence}${sequence === 2 ? ', the last' : ''}`,
      break: (cluster: FakeCluster, once: () => boolean) => {
        cluster.onPacket = chain(cluster.onPacket, (packet) => {
          if (packet.sequence !== sequence || packet.nodes.length <= (fault === 'break' ? 0 : fault) || !once()) return undefined;
          return fault === 'break' ? 'break' : { entry: fault, status: 'error' };
        });
      },
    })),
  ),
  ...[0, 1].map((hop) => ({
    name: `survivor ${hop + 1} refuses to be cut`,
    isOfRecovery: true,
    break: (cluster: FakeCluster, once: () => boolean) => {
      cluster.onWrite = chain(cluster.onWrite, (nodes, request) =>
        request.stage === 'recover' && nodes[hop] && once() ? { ok: false, error: toWireError(new InputOutputError('disk')), badDatanode: nodes[hop].location.datanodeUuid } : undefined,
      );
    },
  })),
  {
    name: 'the replacement takes no copy',
    isOfRecovery: true,
    break: (cluster, once) => {
      cluster.onTransfer = chain(cluster.onTransfer, ({ target }) => (once() ? { ok: false, error: toWireError(new InputOutputError('full')), badDatanode: target.datanodeUuid } : undefined));
    },
  },
  {
    name: 'the source cannot give a copy',
    isOfRecovery: true,
    break: (cluster, once) => {
      cluster.onTransfer = chain(cluster.onTransfer, () => (once() ? { ok: false, error: toWireError(new InputOutputError('unreadable')), badDatanode: 'uuid-of-the-source' } : undefined));
    },
  },
  ...['fs.updateBlockForPipeline', 'fs.updatePipeline', 'fs.getAdditionalDatanodes', 'fs.complete'].flatMap((method) =>
    [new UnavailableError('the name node restarts'), new OutcomeUnknownError('its answer is lost')].map((error) => ({
      name: `${method}: ${error.message}`,
      isOfRecovery: method !== 'fs.complete',
      break: (cluster: FakeCluster, once: () => boolean) => {
        const before = cluster.onCall;
        cluster.onCall = async (call) => {
          await before(call);
          if (call.method === method && once()) throw error;
        };
      },
    })),
  ),
  {
    name: 'nobody is free',
    isOfRecovery: true,
    break: (cluster, once) => {
      const before = cluster.onCall;
      cluster.onCall = async (call) => {
        await before(call);
        if (call.method === 'fs.getAdditionalDatanodes' && once()) throw new NotEnoughReplicasError('nobody is free');
      };
    },
  },
];

/** Fails each stage once, in the order in which they are reached; then the file must be whole on all its nodes. */
async function writeThrough(t: { true(value: boolean, message?: string): void; is(a: unknown, b: unknown, message?: string): void }, broken: Stage[], nodeCount = 7): Promise<{ failed: number }> {
  const cluster = new FakeCluster(nodeCount);
  let failed = 0;
  for (const stage of broken) {
    let isDone = false;
    stage.break(cluster, () => !isDone && (isDone = true) && ++failed > 0);
  }
  const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 64 * packetBytes });
  await writer.write(bytes);
  await writer.close();
  const [located] = cluster.files.get('/f')!.blocks;
  const name = broken.map((stage) => stage.name).join(', then: ');
  t.true(located!.locations.length >= 2, `${name}: ${located!.locations.length} replicas`);
  for (const location of located!.locations) {
    const replica = cluster.nodes.find((node) => node.location.datanodeUuid === location.datanodeUuid)!.replicas.get(located!.block.blockId)!;
    t.true(replica.bytes.equals(bytes), `${name}: ${location.name} holds ${replica.bytes.length} bytes that are not those of the file`);
    t.is(replica.generationStamp, located!.block.generationStamp, `${name}: ${location.name}`);
  }
  return { failed };
}

const firsts = stages.filter((stage) => !stage.isOfRecovery);

for (const stage of firsts) {
  test(`the write goes on when ${stage.name} (fault 1)`, async (t) => {
    t.is((await writeThrough(t, [stage])).failed, 1);
  });
  test(`the write goes on when ${stage.name}, and then anything else fails (fault 1)`, async (t) => {
    let pairs = 0;
    for (const next of stages) if (next !== stage) pairs += (await writeThrough(t, [stage, next])).failed === 2 ? 1 : 0;
    t.true(pairs > firsts.length / 2, `${pairs} pairs of failures`);
  });
}

test('three failures one after the other, of any stages (fault 1)', async (t) => {
  let triples = 0;
  for (const [index, first] of firsts.entries()) {
    for (const [step, second] of stages.entries()) {
      if ((index + step) % 4 !== 0) continue;
      const third = stages[(index * 7 + step * 3 + 1) % stages.length]!;
      if (new Set([first, second, third]).size === 3) triples += (await writeThrough(t, [first, second, third], 9)).failed === 3 ? 1 : 0;
    }
  }
  t.true(triples > 20, `${triples} triples`);
});

test('a writer whose lease is gone when its pipeline is renewed ends with that error, and the new pipeline gets no byte (fault 45)', async (t) => {
  for (const method of ['fs.updateBlockForPipeline', 'fs.updatePipeline']) {
    const cluster = new FakeCluster(4);
    stages.find(({ name }) => name === 'node 1 fails at packet 1')!.break(cluster, () => true);
    cluster.onCall = (call) => {
      if (call.method === method) throw new LeaseExpiredError('the lease was taken');
    };
    const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 64 * packetBytes });
    await t.throwsAsync(
      (async () => {
        await writer.write(bytes);
        await writer.close();
      })(),
      { instanceOf: LeaseExpiredError },
    );
    for (const node of cluster.nodes) for (const replica of node.replicas.values()) t.true(replica.bytes.length <= 2 * packetBytes, node.location.name);
  }
});
