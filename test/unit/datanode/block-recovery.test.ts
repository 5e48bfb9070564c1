import test from 'ava';
import { decideRecovery } from '../../../source/datanode/recovery-decision.js';
import type { DatanodeCommand } from '../../../source/protocol/datanode-protocol.js';
import { OutcomeUnknownError, PermissionDeniedError, StaleGenerationError, UnavailableError, UnregisteredNodeError } from '../../../source/protocol/errors.js';
import type { RecoverableReplica, ReplicaWriter } from '../../../source/storage/block-store.js';
import { type BenchNode, DatanodeBench, TestWriter, until } from '../../helpers/datanode-bench.js';
import { appendAll, content, readVerified } from '../../helpers/replica-content.js';

type State = RecoverableReplica['state'];
const bytes = content(1, 1000);

function decide(found: Record<string, [State, number, number?] | null | 'silent'>, order: { newLengthBytes?: number; promisedBytes?: number } = {}) {
  const names = Object.keys(found);
  const replies = names.flatMap((name) => {
    const reply = found[name]!;
    if (reply === 'silent') return [];
    const location = { datanodeUuid: name, storageId: 's', name, address: `${name}:1`, rack: '/r', state: 'live' as const };
    return [{ location, replica: reply && { state: reply[0], lengthBytes: reply[1], generationStamp: reply[2] ?? 9 } }];
  });
  const silent = names.filter((name) => found[name] === 'silent');
  const decision = decideRecovery({ newLengthBytes: order.newLengthBytes ?? null, promisedBytes: order.promisedBytes ?? 0 }, replies, silent);
  return decision.kind === 'update' ? [decision.newLengthBytes, decision.participants.map(({ name }) => name).join(' ')] : decision.kind;
}

const [rbw, fin, rwr]: State[] = ['being-written', 'finalized', 'waiting-to-be-recovered'];

test('the shortest of the replicas whose nodes went on running has all that was acknowledged: longer ones are cut to it', (t) => {
  t.deepEqual(decide({ a: [rbw!, 70], b: [rbw!, 50], c: [rbw!, 60] }), [50, 'a b c']);
  t.deepEqual(decide({ a: [rbw!, 70], b: 'silent', c: [rbw!, 60] }), [60, 'a c']);
  t.deepEqual(decide({ a: [rbw!, 70], b: [rbw!, 0], c: null }), [70, 'a']);
});

test('a replica that a restart or rot may have cut says nothing as long as another one can', (t) => {
  t.deepEqual(decide({ a: [rbw!, 70], b: [rwr!, 50], c: [rbw!, 60] }), [60, 'a c']);
  t.deepEqual(decide({ a: [rbw!, 60], b: [rwr!, 90] }), [60, 'a b']);
  t.deepEqual(decide({ a: [rwr!, 60], b: [rwr!, 90] }), [60, 'a b']);
});

test('where all nodes were restarted, rot in one replica costs nothing of what two others have (faults 4, 12)', (t) => {
  t.deepEqual(decide({ a: [rwr!, 90], b: [rwr!, 10], c: [rwr!, 80] }), [80, 'a c']);
  t.deepEqual(decide({ a: [rwr!, 90] }), [90, 'a']);
});

test('a finalized replica is what its writer ended with', (t) => {
  t.deepEqual(decide({ a: [fin!, 80], b: [rbw!, 50], c: [rbw!, 90] }), [80, 'a c']);
  t.deepEqual(decide({ a: [fin!, 80], b: [fin!, 80], c: [rwr!, 80] }), [80, 'a b c']);
  t.deepEqual(decide({ a: [fin!, 80, 9], b: [fin!, 85, 12], c: [fin!, 85, 12] }), [85, 'b c']);
});

test('truncate: whoever has so much takes part', (t) => {
  t.deepEqual(decide({ a: [fin!, 80], b: [fin!, 80], c: 'silent' }, { newLengthBytes: 30, promisedBytes: 80 }), [30, 'a b']);
  t.is(decide({ a: [rwr!, 20], b: 'silent' }, { newLengthBytes: 30 }), 'impossible');
});

test('nothing is given up on silence, and no length below the promised one is taken', (t) => {
  t.is(decide({ a: null, b: null, c: [rbw!, 0] }), 'drop');
  t.is(decide({ a: null, b: 'silent' }), 'impossible');
  t.is(decide({ a: null, b: null }, { promisedBytes: 5 }), 'impossible');
  t.is(decide({ a: [rbw!, 50], b: 'silent' }, { promisedBytes: 60 }), 'impossible');
});

async function withNodes(run: (bench: DatanodeBench, nodes: BenchNode[]) => Promise<void>): Promise<void> {
  const bench = new DatanodeBench();
  try {
    const nodes = await bench.addAll(3);
    for (const node of nodes) node.dataNode.start();
    await Promise.all(nodes.map((node) => node.dataNode.waitUntilRegistered()));
    await run(bench, nodes);
  } finally {
    await bench.close();
  }
}

/** A replica being written of the first `lengthBytes`, with or without its writer. */
async function begin(node: BenchNode, lengthBytes: number, blockId = 1): Promise<ReplicaWriter> {
  const writer = await node.store.create({ blockId, generationStamp: 9, storageId: '', chunkBytes: 64, isDurable: true, isTemporary: false });
  await appendAll(writer, bytes, { chunkBytes: 64, packetBytes: 100, endBytes: lengthBytes });
  return writer;
}

function order(nodes: BenchNode[], recoveryGeneration: number, more: { newLengthBytes?: number; blockId?: number; lengthBytes?: number } = {}): DatanodeCommand {
  const block = { blockId: more.blockId ?? 1, generationStamp: 9, lengthBytes: more.lengthBytes ?? 0 };
  return { kind: 'recover', block, recoveryGeneration, newLengthBytes: more.newLengthBytes ?? null, replicas: nodes.map((node) => node.location), token: '' };
}

function committed(node: BenchNode): { recoveryGeneration: number; newLengthBytes: number; replicas: { datanodeUuid: string }[] }[] {
  return node.nameNode.heard.filter(({ method }) => (method as string) === 'datanode.commitBlockSynchronization').map(({ params }) => params as never);
}

async function assertRecovered(t: { deepEqual: (a: unknown, b: unknown, m?: string) => void }, nodes: BenchNode[], generationStamp: number, lengthBytes: number): Promise<void> {
  for (const node of nodes) {
    t.deepEqual(node.store.getReplica(1)?.block, { blockId: 1, generationStamp, lengthBytes }, node.name);
    t.deepEqual(node.store.getReplica(1)?.state, 'finalized');
    t.deepEqual(await readVerified(node.store, { blockId: 1, generationStamp }), bytes.subarray(0, lengthBytes));
  }
}

test('the primary brings three replicas of a writer that is gone to their common length, and tells the name node (fault 4)', (t) =>
  withNodes(async (_bench, nodes) => {
    const [primary] = nodes as [BenchNode, BenchNode, BenchNode];
    for (const [index, lengthBytes] of [700, 530, 610].entries()) await begin(nodes[index]!, lengthBytes);
    primary.nameNode.commands.push(order(nodes, 12));
    await until(() => committed(primary).length === 1, () => 'the commit');
    const { newLengthBytes, replicas } = committed(primary)[0]!;
    t.is(newLengthBytes, 530);
    t.deepEqual(replicas.map(({ datanodeUuid }) => datanodeUuid), nodes.map((node) => node.store.datanodeUuid));
    await assertRecovered(t, nodes, 12, 530);
  }));

test('a writer that still lives is stopped by the recovery of its block, at every node, and gets no byte in (fault 45)', (t) =>
  withNodes(async (bench, nodes) => {
    const [primary] = nodes as [BenchNode, BenchNode, BenchNode];
    const writer = new TestWriter(bench.connect(primary.address));
    await writer.open(nodes, { blockId: 1, generationStamp: 9, lengthBytes: 0 });
    await writer.send(bytes, 0, 300);
    await writer.readAcksUpTo(0);
    primary.nameNode.commands.push(order(nodes, 12));
    await until(() => committed(primary).length === 1, () => 'the commit');
    await writer.send(bytes, 300, 600).catch(() => {});
    const ack = await writer.readAcksUpTo(1).catch(() => undefined);
    t.true(ack === undefined || ack.entries[0]!.status === 'stale');
    await assertRecovered(t, nodes, 12, 300);
    // Nor does it by a pipeline of a generation that it was given before.
    const late = new TestWriter(bench.connect(primary.address));
    const refusal = await late.open(nodes, { blockId: 1, generationStamp: 11, lengthBytes: 300 }, { stage: 'recover', keepBytes: 300, previousGenerationStamp: 9 });
    t.false(refusal.ok);
    await assertRecovered(t, nodes, 12, 300);
  }));

test('a node that does not answer is left out; where nobody has a byte, its silence is no answer', (t) =>
  withNodes(async (bench, nodes) => {
    const [primary, second, third] = nodes as [BenchNode, BenchNode, BenchNode];
    await begin(primary, 500);
    await begin(third, 400);
    bench.kill(third);
    primary.nameNode.commands.push(order(nodes, 12));
    await until(() => committed(primary).length === 1, () => 'the commit');
    await assertRecovered(t, [primary], 12, 500);
    primary.nameNode.commands.push(order([second, third], 14, { blockId: 2 }), order([second], 15, { blockId: 3 }));
    await until(() => committed(primary).length === 2, () => 'the end of block 3');
    t.like(committed(primary)[1], { recoveryGeneration: 15, newLengthBytes: 0, replicas: [] });
  }));

for (const method of ['replica.initRecovery', 'replica.updateRecovery', 'datanode.commitBlockSynchronization']) {
  for (const isDone of [false, true]) {
    test(`a recovery whose ${method} ${isDone ? 'happens and its answer is lost' : 'does not arrive'} is done by the next one (faults 3, 7)`, (t) =>
      withNodes(async (bench, nodes) => {
        const [primary] = nodes as [BenchNode, BenchNode, BenchNode];
        for (const [index, lengthBytes] of [700, 530, 610].entries()) await begin(nodes[index]!, lengthBytes);
        let lost = 0;
        bench.onPeerCall = (call) => {
          if (call.method === method && call.isDone === isDone && lost++ < 2) throw isDone ? new OutcomeUnknownError('lost') : new UnavailableError('lost');
        };
        primary.nameNode.onCall = (called) => {
          if ((called as string) === method && lost++ < 2) throw isDone ? new OutcomeUnknownError('lost') : new UnavailableError('lost');
        };
        primary.nameNode.commands.push(order(nodes, 12));
        await until(() => lost >= 2 && committed(primary).length > 0, () => 'the first try');
        primary.nameNode.commands.push(order(nodes, 13));
        await until(() => committed(primary).at(-1)?.recoveryGeneration === 13, () => 'the second try');
        const { newLengthBytes } = committed(primary).at(-1)!;
        t.true(newLengthBytes >= 530 && newLengthBytes <= 700);
        const uuids = new Set(committed(primary).at(-1)!.replicas.map(({ datanodeUuid }) => datanodeUuid));
        await assertRecovered(t, nodes.filter((node) => uuids.has(node.store.datanodeUuid)), 13, newLengthBytes);
        t.true(uuids.size >= 1);
      }));
  }
}

test('of two orders the newer one is carried out, whichever comes first; what the older one began counts for nothing (fault 46)', (t) =>
  withNodes(async (bench, nodes) => {
    const [first, second, third] = nodes as [BenchNode, BenchNode, BenchNode];
    for (const [index, lengthBytes] of [700, 530, 610].entries()) await begin(nodes[index]!, lengthBytes);
    // The older primary has heard from everybody when the newer one begins.
    let newerIsDone = false;
    bench.onPeerCall = async ({ method, isDone }) => {
      if (method !== 'replica.updateRecovery' || isDone || newerIsDone) return;
      newerIsDone = true;
      second.nameNode.commands.push(order(nodes, 13));
      await until(() => committed(second).length === 1, () => 'the newer recovery');
    };
    first.nameNode.commands.push(order([second, third, first], 12));
    await until(() => committed(second).length === 1, () => 'the newer recovery');
    await assertRecovered(t, nodes.filter((node) => committed(second)[0]!.replicas.some(({ datanodeUuid }) => datanodeUuid === node.store.datanodeUuid)), 13, committed(second)[0]!.newLengthBytes);
    await t.throwsAsync(third.store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: 10 }), { instanceOf: StaleGenerationError });
    second.nameNode.commands.push(order(nodes, 12));
    second.nameNode.commands.push(order(nodes, 12));
    await new Promise((resolve) => setTimeout(resolve, 30));
    t.is(committed(second).length, 1);
  }));

test('a recovery is broken off with its node, and a client cannot begin one', async (t) => {
  await withNodes(async (bench, nodes) => {
    const [primary] = nodes as [BenchNode, BenchNode, BenchNode];
    for (const node of nodes) await begin(node, 100);
    let calls = 0;
    bench.onPeerCall = ({ isDone }) => (calls++ === 0 && !isDone ? new Promise<void>((resolve) => setTimeout(resolve, 20)) : undefined);
    primary.nameNode.commands.push(order(nodes, 12));
    await until(() => calls > 0, () => 'the first call');
    await primary.dataNode.close();
    t.is(committed(primary).length, 0);
    const client = { user: 'eve', clientId: 'x', role: 'client', remoteAddress: 'eve:1' } as const;
    const block = { blockId: 1, generationStamp: 9, lengthBytes: 0 };
    t.throws(() => nodes[1]!.dataNode.handlers['replica.initRecovery']({ block, recoveryGeneration: 20, token: '' }, client), { instanceOf: PermissionDeniedError });
  });
});

test('a node whose recovery waits for a name node that is gone closes all the same (fault 7)', async (t) => {
  await withNodes(async (_bench, nodes) => {
    const [primary] = nodes as [BenchNode, BenchNode, BenchNode];
    for (const node of nodes) await begin(node, 100);
    let isGone = false;
    let registrations = 0;
    primary.nameNode.onCall = (method) => {
      if (isGone && method === 'datanode.register') registrations++;
      if ((method as string) === 'datanode.commitBlockSynchronization') isGone = true;
      if (isGone) throw method === 'datanode.register' ? new UnavailableError('gone') : new UnregisteredNodeError('who?');
    };
    primary.nameNode.commands.push(order(nodes, 12));
    await until(() => registrations >= 4, () => 'the loss of the name node');
    const isClosed = primary.dataNode.close().then(() => true);
    t.true(await Promise.race([isClosed, new Promise<boolean>((resolve) => setTimeout(resolve, 5000, false))]));
    primary.nameNode.onCall = () => {};
  });
});
