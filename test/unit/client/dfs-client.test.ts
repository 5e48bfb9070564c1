import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { silentLogger } from '../../../source/base/log.js';
import { followFeed } from '../../../source/client/cluster-feed.js';
import { LeaseRenewer } from '../../../source/client/lease-renewer.js';
import type { RetryingCaller } from '../../../source/client/retrying-caller.js';
import type { FeedItem } from '../../../source/protocol/cluster-events.js';
import { FileNotFoundError, InputOutputError, UnavailableError } from '../../../source/protocol/errors.js';
import { toTuple } from '../../../source/protocol/file-status.js';
import { createDfsClient } from '../../../source/client/dfs-client.js';
import { FakeCluster } from '../../helpers/fake-cluster.js';

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function event(id: number): FeedItem {
  return { type: 'cluster', event: { id, timeMs: 0, level: 'info', kind: 'node-live', message: `event ${id}` } };
}

test('stat of a missing path is an error, find is null, exists is false', async (t) => {
  const client = new FakeCluster().client();
  await t.throwsAsync(client.stat('/none'), { instanceOf: FileNotFoundError, message: '/none: No such file or directory' });
  t.is(await client.find('/none'), null);
  t.false(await client.exists('/none'));
});

test('the uri and the user are told without a call', (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  t.deepEqual([client.uri, client.user, cluster.calls.length], ['dfs://fake:9870', 'tester', 0]);
});

test('a listing is fetched page by page, the next one while this one is consumed', async (t) => {
  const names = Array.from({ length: 10 }, (_, index) => `f${index}`);
  const status = (name: string) => ({ name, inodeId: 7, type: 'file' as const, lengthBytes: 0, replication: 3, blockSizeBytes: 1, modificationTimeMs: 0, accessTimeMs: 0, permission: 0o644, owner: 'o', group: 'g', isUnderConstruction: false });
  const asked: (string | undefined)[] = [];
  const client = createDfsClient({
    nameNode: {
      call: (async (_: string, { path, startAfter }: { path: string; startAfter?: string }) => {
        asked.push(startAfter);
        if (path === '/d/file') return { entries: [toTuple(status(''))], hasMore: false };
        const rest = names.filter((name) => startAfter === undefined || name > startAfter);
        return { entries: rest.slice(0, 4).map((name) => toTuple(status(name))), hasMore: rest.length > 4 };
      }) as never,
      close: () => {},
    },
    nameNodeAddress: 'x:1',
    dataNode: () => undefined as never,
    connector: undefined as never,
    openFeed: undefined as never,
    identity: { clusterId: null, role: 'client', user: 'u', clientId: 'c' },
    clock: new ManualClock(),
    random: seededRandom(1),
    options: { retryTimeoutMs: 1000 },
  });
  const listed: string[] = [];
  for await (const entry of client.list('/d')) {
    listed.push(entry.name);
    if (listed.length === 1) t.deepEqual(asked, [undefined, 'f3']);
  }
  t.deepEqual(listed, names);
  t.deepEqual(asked, [undefined, 'f3', 'f7']);
  const after: string[] = [];
  for await (const entry of client.list('/d', { startAfter: 'f7' })) after.push(entry.name);
  t.deepEqual(after, ['f8', 'f9']);
  for await (const entry of client.list('/d/file')) t.is(entry.name, 'file');
});

test('leases are renewed at a third of the soft limit while a file is open, and not longer', async (t) => {
  const clock = new ManualClock();
  let renewals = 0;
  const nameNode = { call: async () => void renewals++ } as unknown as RetryingCaller;
  const leases = new LeaseRenewer(nameNode, clock, silentLogger);
  const endFirst = leases.begin(60_000);
  const endSecond = leases.begin(60_000);
  const pass = async (ms: number) => {
    for (let i = 0; i < ms; i += 1000) {
      clock.advance(1000);
      await turns(3);
    }
  };
  await pass(61_000);
  t.is(renewals, 3);
  endFirst();
  endFirst();
  await pass(20_000);
  t.is(renewals, 4);
  endSecond();
  await pass(100_000);
  t.is(renewals, 4);
});

test('a lost renewal is logged, and the next one comes', async (t) => {
  const clock = new ManualClock();
  let tries = 0;
  const warnings: string[] = [];
  const nameNode = {
    call: async () => {
      tries++;
      throw new UnavailableError('refused');
    },
  } as unknown as RetryingCaller;
  const leases = new LeaseRenewer(nameNode, clock, { ...silentLogger, warn: (message) => warnings.push(message) });
  const end = leases.begin(3000);
  for (let i = 0; i < 2; i++) {
    clock.advance(1000);
    await turns();
  }
  end();
  t.is(tries, 2);
  t.deepEqual(warnings, Array(2).fill('could not renew the leases of the files being written: refused'));
});

test('the feed goes on after a lost connection, from the last event seen', async (t) => {
  const clock = new ManualClock();
  const asked: (number | undefined)[] = [];
  const controller = new AbortController();
  const openFeed = async function* ({ afterId }: { afterId?: number }): AsyncIterable<FeedItem> {
    asked.push(afterId);
    if (asked.length === 1) {
      yield event(5);
      yield event(6);
      throw new InputOutputError('reset');
    }
    if (asked.length === 2) throw new UnavailableError('restarting');
    yield event(1);
  };
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of followFeed(openFeed, clock, seededRandom(1), controller.signal)) {
      seen.push(item.type === 'cluster' ? item.event.id : 0);
      if (seen.length === 4) controller.abort();
    }
  })();
  let isDone = false;
  void reading.then(() => (isDone = true));
  while (!isDone) {
    await turns();
    clock.advance(100);
  }
  t.deepEqual(seen, [5, 6, 1, 1]);
  t.deepEqual(asked, [undefined, 6, 6, 1]);
});

test('a feed that nothing answers the first time fails at once', async (t) => {
  // eslint-disable-next-line require-yield
  const openFeed = async function* (): AsyncIterable<FeedItem> {
    throw new UnavailableError('refused');
  };
  await t.throwsAsync(async () => {
    for await (const item of followFeed(openFeed, new ManualClock(), seededRandom(1), undefined)) t.fail(item.type);
  }, { instanceOf: UnavailableError });
});
