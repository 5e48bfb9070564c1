import test from 'ava';
import { type FailedWrite, worldsOfFailedWrite } from './failed-write.js';
import { contentOf } from './content.js';
import { extended, type FoundTree, matchWorld, type ModelTree } from './file-model.js';

const old = { segments: extended([], 1, 100), replication: 3 };
const tree: ModelTree = new Map([['/a', null], ['/a/f', old]]);

/** Whether a file of `lengthBytes` of a version is one of the possible ends; undefined: no file. */
function mayBe(write: Partial<FailedWrite>, found: Record<string, Buffer>): boolean {
  const failed: FailedWrite = { tree, path: '/a/f', finalPath: '/a/f', file: { segments: extended([], 2, 500), replication: 3 }, oldBytes: undefined, isOpen: true, promisedBytes: 0, ...write };
  const there: FoundTree = new Map([['/a', null], ...Object.entries(found).map(([path, bytes]) => [path, { bytes, replication: 3 }] as const)]);
  return worldsOfFailedWrite(failed).some((world) => matchWorld(world, there) !== undefined);
}

const was = contentOf(1, 0, 100);
const first = (bytes: number) => contentOf(2, 0, bytes);

test('of a new file that was never open, all may be as it was; of one that was, nothing of the old one stays', (t) => {
  for (const isOpen of [false, true]) {
    t.is(mayBe({ isOpen }, { '/a/f': was }), !isOpen);
    t.true(mayBe({ isOpen }, {}));
    for (const bytes of [0, 1, 499, 500]) t.true(mayBe({ isOpen }, { '/a/f': first(bytes) }));
  }
});

test('what a sync promised of a new file is there, and the file too; a temporary one may go all the same', (t) => {
  const promised = { promisedBytes: 200 };
  t.false(mayBe(promised, {}));
  t.false(mayBe(promised, { '/a/f': was }));
  t.false(mayBe(promised, { '/a/f': first(199) }));
  for (const bytes of [200, 321, 500]) t.true(mayBe(promised, { '/a/f': first(bytes) }));

  const temporary = { ...promised, path: '/a/f._COPYING_' };
  t.true(mayBe(temporary, { '/a/f': was }));
  t.true(mayBe(temporary, { '/a/f': first(500) }));
  t.true(mayBe(temporary, { '/a/f': was, '/a/f._COPYING_': first(300) }));
  t.false(mayBe(temporary, { '/a/f': first(300) }));
  t.false(mayBe(temporary, {}));
});

test('an append leaves what was there, and what a sync promised behind it', (t) => {
  const append = { oldBytes: 100, file: { segments: extended(old.segments, 2, 50), replication: 3 } };
  const grown = (bytes: number) => Buffer.concat([was, contentOf(2, 100, 150)]).subarray(0, bytes);
  t.false(mayBe(append, {}));
  t.false(mayBe(append, { '/a/f': grown(99) }));
  for (const bytes of [100, 120, 150]) t.true(mayBe(append, { '/a/f': grown(bytes) }));
  t.false(mayBe({ ...append, promisedBytes: 130 }, { '/a/f': was }));
  t.false(mayBe({ ...append, promisedBytes: 130 }, { '/a/f': grown(129) }));
  t.true(mayBe({ ...append, promisedBytes: 130 }, { '/a/f': grown(130) }));
});
