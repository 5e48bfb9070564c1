import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { Patience } from '../../../source/base/patience.js';
import { type BlockChannel, type BlockChannelConnector, encodeControl, frameTypes, type ReadRequest, type StatusMessage } from '../../../source/protocol/block-stream.js';
import { InputOutputError, ReplicaNotFoundError, toWireError, UnavailableError } from '../../../source/protocol/errors.js';
import { openOperation, readFrame, RefusedError } from '../../../source/transport/block-operation.js';
import { turns } from '../../helpers/block-channel-contract.js';
import { fakeChannelPair } from '../../helpers/fake-channel.js';

const body: ReadRequest = { block: { blockId: 1, generationStamp: 2, lengthBytes: 3 }, token: '', offsetBytes: 0, lengthBytes: 3 };
const request = { type: frameTypes.read, body } as const;
const accepted: StatusMessage = { ok: true, chunkBytes: 64, offsetBytes: 0, replicaLengthBytes: 3 };

/** Hands out what it is told, and remembers what it was asked for. */
class ScriptedConnector implements BlockChannelConnector {
  readonly asked: boolean[] = [];
  readonly channels: BlockChannel[] = [];
  readonly #answer: (far: BlockChannel, isFresh: boolean) => void;
  readonly #isStale: (isFresh: boolean) => boolean;

  constructor(answer: (far: BlockChannel, isFresh: boolean) => void, isStale: (isFresh: boolean) => boolean = () => false) {
    this.#answer = answer;
    this.#isStale = isStale;
  }

  async connect(address: string, { isFresh = false } = {}): Promise<BlockChannel> {
    this.asked.push(isFresh);
    const [near, far] = fakeChannelPair(address);
    this.channels.push(near);
    if (this.#isStale(isFresh)) near.read = () => Promise.reject(new UnavailableError('had closed the pooled block stream'));
    else this.#answer(far, isFresh);
    return near;
  }

  release(): void {}
  close(): void {}
}

const status = (message: StatusMessage) => (far: BlockChannel) => void far.write([encodeControl(frameTypes.status, message)]);
const options = () => ({ clock: new ManualClock(), limitMs: 5000 });

test('a request is sent, and its status answered', async (t) => {
  const connector = new ScriptedConnector(status(accepted));
  const { channel, status: answer } = await openOperation(connector, 'dn1:1', request, options());
  t.deepEqual(answer, accepted as never);
  t.is(channel, connector.channels[0]!);
  t.false(channel.isDestroyed);
});

test('however many stale channels there are in the pool, one is met, and then a fresh one is taken', async (t) => {
  const connector = new ScriptedConnector(status(accepted), (isFresh) => !isFresh);
  await openOperation(connector, 'dn1:1', request, options());
  t.deepEqual(connector.asked, [false, true]);
  t.true(connector.channels[0]!.isDestroyed);
});

test('a node that is not there is asked twice, not for ever', async (t) => {
  const connector = new ScriptedConnector(status(accepted), () => true);
  await t.throwsAsync(openOperation(connector, 'dn1:1', request, options()), { instanceOf: UnavailableError });
  t.deepEqual(connector.asked, [false, true]);
});

test('a refusal comes with its reason and with the node that refused, and the channel is gone', async (t) => {
  const connector = new ScriptedConnector(status({ ok: false, error: toWireError(new ReplicaNotFoundError('not here')), badDatanode: 'uuid-2' }));
  const error = await t.throwsAsync(openOperation(connector, 'dn1:1', request, options()), { instanceOf: RefusedError });
  t.true(error!.reason instanceof ReplicaNotFoundError);
  t.is(error!.badDatanode, 'uuid-2');
  t.true(connector.channels[0]!.isDestroyed);
  t.is(connector.asked.length, 1);
});

for (const [what, message] of [
  ['a number is missing', { ok: true, chunkBytes: 64 }],
  ['a number is negative', { ...accepted, offsetBytes: -1 }],
  ['it is neither yes nor no', { ok: 'yes' }],
  ['the error has no code', { ok: false, error: { message: 'x' } }],
] as const) {
  test(`a status that makes no sense is a failure: ${what}`, async (t) => {
    const connector = new ScriptedConnector(status(message as never));
    await t.throwsAsync(openOperation(connector, 'dn1:1', request, options()), { instanceOf: InputOutputError, message: /dn1:1 answered a block operation with something that is no status/ });
    t.true(connector.channels[0]!.isDestroyed);
  });
}

test('a node that says nothing fails after the limit; one that hangs up, at once', async (t) => {
  const clock = new ManualClock();
  const silent = openOperation(new ScriptedConnector(() => {}), 'dn1:1', request, { clock, limitMs: 5000 });
  silent.catch(() => {});
  await turns(5);
  clock.advance(5000);
  await t.throwsAsync(silent, { instanceOf: InputOutputError, message: 'dn1:1 sent nothing for 5 s' });
  const [near, far] = fakeChannelPair('dn1:1');
  far.end();
  await t.throwsAsync(readFrame(near, new Patience(clock), 5000), { instanceOf: InputOutputError, message: /dn1:1 closed the connection in the middle/ });
  t.true(near.isDestroyed);
});

test('a signal breaks the operation off', async (t) => {
  const controller = new AbortController();
  const connector = new ScriptedConnector(() => {});
  const opening = openOperation(connector, 'dn1:1', request, { ...options(), signal: controller.signal });
  opening.catch(() => {});
  await turns(5);
  controller.abort();
  await t.throwsAsync(opening, { instanceOf: InputOutputError });
  t.true(connector.channels[0]!.isDestroyed);
});
