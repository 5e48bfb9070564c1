import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { bytesOf, type Content, sha256Of } from '../../rig/content.js';
import { type Found, Lane, noCounts } from '../../rig/lane.js';
import { Violation } from '../../rig/violation.js';

const [first, second]: Content[] = [{ seed: 1, sizeBytes: 1000 }, { seed: 2, sizeBytes: 500 }] as const;
const acknowledged = { kind: 'acknowledged' } as const;
const lost = { kind: 'lost' } as const;
const put = (path: string, content: Content) => ({ kind: 'put', path, temporary: `${path}._COPYING_`, content }) as const;
const found = (files: Record<string, Buffer>) => new Map<string, Found>(Object.entries(files).map(([path, bytes]) => [path, { kind: 'file', bytes }]));

function laneWithFile(): Lane {
  const lane = new Lane('/w', seededRandom(1), noCounts(), { maxFileBytes: 1000, createShare: 0 });
  lane.record(put('/w/a', first!), acknowledged);
  return lane;
}

test('what the rigs check: an acknowledged file that is gone, short, changed, or joined by another one is seen', (t) => {
  const whole = bytesOf(first!);
  const changed = Buffer.from(whole);
  changed[777]! ^= 1;
  t.is(laneWithFile().settle(found({ '/w/a': whole })), undefined);
  t.regex(laneWithFile().settle(found({}))!, /\/w\/a is not there/);
  t.regex(laneWithFile().settle(found({ '/w/a': whole.subarray(0, 999) }))!, /999 bytes/);
  t.regex(laneWithFile().settle(found({ '/w/a': changed }))!, /they differ from byte 777 on/);
  t.regex(laneWithFile().settle(found({ '/w/a': whole, '/w/b': whole }))!, /\/w\/b is there, and was never acknowledged/);
});

test('what the rigs check: a put whose outcome is unknown happened wholly or not at all', (t) => {
  const overwrite = () => {
    const lane = laneWithFile();
    lane.record(put('/w/a', second!), lost);
    t.true(lane.isInDoubt);
    return lane;
  };
  t.is(overwrite().settle(found({ '/w/a': bytesOf(first!) })), undefined);
  t.is(overwrite().settle(found({ '/w/a': bytesOf(second!) })), undefined);
  t.not(overwrite().settle(found({ '/w/a': bytesOf(second!).subarray(0, 100) })), undefined);
  t.not(overwrite().settle(found({})), undefined);
});

test('what the rigs check: of a file written into its place by a writer that was killed any prefix is right, and nothing else', (t) => {
  const create = () => {
    const lane = laneWithFile();
    lane.record({ kind: 'create', path: '/w/a', content: second! }, lost);
    return lane;
  };
  for (const length of [0, 1, 500]) t.is(create().settle(found({ '/w/a': bytesOf(second!).subarray(0, length) })), undefined);
  t.is(create().settle(found({ '/w/a': bytesOf(first!) })), undefined);
  t.not(create().settle(found({ '/w/a': bytesOf(first!).subarray(0, 999) })), undefined);
});

test('what the rigs check: wrong bytes in a read, and a refusal of what must be possible, end the run with the evidence', (t) => {
  const lane = laneWithFile();
  lane.record({ kind: 'read', path: '/w/a' }, { ...acknowledged, sha: sha256Of(first!), bytes: 1000 });
  t.is(lane.counters.reads, 1);
  t.throws(() => lane.record({ kind: 'read', path: '/w/a' }, { ...acknowledged, sha: sha256Of(second!), bytes: 500 }), { instanceOf: Violation, message: /\/w\/a: 500 bytes[^]*the last calls in \/w/ });
  t.throws(() => laneWithFile().record({ kind: 'rename', source: '/w/a', target: '/w/b' }, { kind: 'failed', name: 'FileNotFoundError', message: 'no' }), { instanceOf: Violation });
});

test('what the rigs check: renames, deletions and directories that were acknowledged are seen undone', (t) => {
  const lane = laneWithFile();
  lane.record({ kind: 'mkdirs', path: '/w/d' }, acknowledged);
  lane.record({ kind: 'rename', source: '/w/a', target: '/w/d/b' }, acknowledged);
  t.regex(lane.settle(found({ '/w/a': bytesOf(first!) }))!, /\/w\/d/);
  lane.record({ kind: 'delete', path: '/w/d' }, acknowledged);
  t.is(lane.settle(found({})), undefined);
  t.not(lane.settle(found({ '/w/d/b': bytesOf(first!) })), undefined);
});
