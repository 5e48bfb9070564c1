import test from 'ava';
import fc from 'fast-check';
import { seededRandom } from '../../../source/base/random.js';
import { BlockMap, blockStates, noBucket, packReplica, replicaFlags, replicaHas, replicaNode, replicaStorage, withFlags, withoutFlags } from '../../../source/namenode/block-map.js';
import { BlockSet } from '../../../source/namenode/block-set.js';
import { NumberQueue } from '../../../source/namenode/number-queue.js';

interface ModelBlock {
  inodeId: number;
  generationStamp: number;
  lengthBytes: number;
  replication: number;
  replicas: Map<number, number>;
}

test('the map holds what a plain Map holds, after any additions, removals and changes', (t) => {
  // Ids from a small range collide often; large ones use all 53 bits.
  const blockId = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2 ** 52, max: 2 ** 52 + 40 }), fc.maxSafeInteger().map((n) => Math.abs(n) + 1));
  const step = fc.record({ kind: fc.constantFrom('add', 'remove', 'replica', 'dropReplica', 'change'), blockId, node: fc.integer({ min: 0, max: 7 }), value: fc.integer({ min: 0, max: 2 ** 40 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const map = new BlockMap();
      const model = new Map<number, ModelBlock>();
      for (const { kind, blockId: id, node, value } of steps) {
        const known = model.get(id);
        const entry = map.find(id);
        if (entry >= 0 !== (known !== undefined)) return false;
        if (kind === 'add' && !known) {
          const block = { inodeId: value + 1, generationStamp: value + 2, lengthBytes: value, replication: 1 + node };
          map.add({ blockId: id, ...block }, blockStates.complete);
          model.set(id, { ...block, replicas: new Map() });
        } else if (kind === 'remove' && known) {
          map.remove(entry);
          model.delete(id);
        } else if (kind === 'replica' && known && !known.replicas.has(node)) {
          const replica = packReplica(node, value % 64, value % 16);
          map.addReplica(entry, replica);
          known.replicas.set(node, replica);
        } else if (kind === 'dropReplica' && known?.replicas.has(node)) {
          map.removeReplica(entry, map.indexOfNode(entry, node));
          known.replicas.delete(node);
        } else if (kind === 'change' && known) {
          map.setLengthBytes(entry, value);
          map.setGenerationStamp(entry, value + 5);
          Object.assign(known, { lengthBytes: value, generationStamp: value + 5 });
        }
      }
      if (map.size !== model.size) return false;
      let hint = 0;
      for (const [id, block] of model) {
        const entry = map.findNear(id, hint);
        hint = entry + 1;
        if (entry < 0 || map.blockId(entry) !== id || map.inodeId(entry) !== block.inodeId || map.replication(entry) !== block.replication) return false;
        if (map.generationStamp(entry) !== block.generationStamp || map.lengthBytes(entry) !== block.lengthBytes) return false;
        if (map.state(entry) !== blockStates.complete || map.bucket(entry) !== noBucket) return false;
        const replicas = Array.from({ length: map.replicaCount(entry) }, (_, index) => map.replica(entry, index)).sort((a, b) => a - b);
        if (replicas.join() !== [...block.replicas.values()].sort((a, b) => a - b).join()) return false;
      }
      return true;
    }),
    { seed: 20, numRuns: 300 },
  );
  t.pass();
});

test('a hundred thousand blocks are added, found, half of them removed, and their entries used again', (t) => {
  const map = new BlockMap();
  const count = 100_000;
  for (let i = 0; i < count; i++) map.add({ blockId: 1_073_741_825 + i, inodeId: i + 1, generationStamp: 1001, lengthBytes: i, replication: 3 }, blockStates.complete);
  for (let i = 0; i < count; i += 2) map.remove(map.find(1_073_741_825 + i));
  t.is(map.size, count / 2);
  for (let i = 0; i < count; i++) if (map.find(1_073_741_825 + i) >= 0 !== (i % 2 === 1)) t.fail(`block ${i}`);
  for (let i = 0; i < count / 2; i++) map.add({ blockId: 9_000_000_000 + i, inodeId: 1, generationStamp: 1, lengthBytes: 1, replication: 1 }, blockStates.complete);
  t.is(map.entryCount, count);
  for (let i = 0; i < count / 2; i++) if (map.blockId(map.find(9_000_000_000 + i)) !== 9_000_000_000 + i) t.fail(`new block ${i}`);
});

test('a replica keeps node, storage and flags apart', (t) => {
  const replica = packReplica(2 ** 22 - 1, 63, replicaFlags.deleting);
  t.is(replicaNode(replica), 2 ** 22 - 1);
  t.is(replicaStorage(replica), 63);
  t.true(replicaHas(withFlags(replica, replicaFlags.corrupt), replicaFlags.corrupt));
  t.is(withoutFlags(withFlags(replica, replicaFlags.suspect), replicaFlags.suspect), replica);
});

test('a set of entries is what a Set is, from sparse to dense and back', (t) => {
  const random = seededRandom(5);
  const set = new BlockSet();
  const model = new Set<number>();
  for (const [adding, range, steps] of [[0.9, 200_000, 30_000], [0.95, 20_000, 40_000], [0.1, 20_000, 60_000], [0.5, 140_000, 20_000]] as const) {
    for (let i = 0; i < steps; i++) {
      const entry = random.integer(range);
      if (random.next() < adding) t.is(set.add(entry), !model.has(entry), undefined), model.add(entry);
      else if (set.delete(entry) !== model.delete(entry)) t.fail(`delete ${entry}`);
    }
    t.is(set.size, model.size);
    const entries: number[] = [];
    for (let container = 0; container < set.containerCount; container++) entries.push(...set.entriesOf(container));
    t.deepEqual(entries, [...model].sort((a, b) => a - b));
    for (let i = 0; i < 1000; i++) if (set.has(i * 137) !== model.has(i * 137)) t.fail(`has ${i * 137}`);
  }
});

test('a queue of numbers is first in, first out, over many chunks', (t) => {
  const random = seededRandom(6);
  for (const kind of ['uint32', 'float64'] as const) {
    const queue = new NumberQueue(kind);
    const model: number[] = [];
    for (let i = 0; i < 60_000; i++) {
      // Fills up in the first half, drains in the second.
      if (random.next() < (i < 30_000 ? 0.8 : 0.2)) {
        queue.push(i);
        model.push(i);
      } else if (queue.shift() !== model.shift()) {
        t.fail(`${kind} at ${i}`);
      }
      if (i % 500 === 0 && (queue.peek() !== model[0] || queue.peek(model.length - 1) !== model.at(-1) || queue.length !== model.length)) t.fail(`${kind} peek at ${i}`);
    }
    t.is(queue.peek(queue.length), undefined);
  }
});
