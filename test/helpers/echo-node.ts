import { Type } from '@sinclair/typebox';
import { systemClock } from '../../source/base/clock.js';
import { type Logger, silentLogger } from '../../source/base/log.js';
import { FileNotFoundError } from '../../source/protocol/errors.js';
import type { Identity } from '../../source/protocol/hello.js';
import { type CallContext, type Handlers, query } from '../../source/protocol/method.js';
import { type ListenOptions, type NodeListener, listen } from '../../source/transport/listen.js';
import type { Service } from '../../source/transport/rpc-server.js';

const strict = { additionalProperties: false } as const;

/** A protocol that shows what a transport does with calls. */
export const echoProtocol = {
  'echo.say': query(
    'Answers with what it was given, and who asked',
    Type.Object({ text: Type.String({ maxLength: 3_000_000 }), count: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })) }, strict),
    Type.Object({ text: Type.String(), count: Type.Integer(), user: Type.String(), clientId: Type.String(), role: Type.String() }, strict),
  ),
  'echo.wait': query('Answers when the test opens the gate of that name', Type.Object({ gate: Type.String() }, strict), Type.String()),
  'echo.nothing': query('Takes nothing, answers null', Type.Object({}, strict), Type.Null()),
  'echo.fail': query('Fails with FileNotFoundError', Type.Object({}, strict), Type.Null()),
  'echo.crash': query('Fails as no handler should', Type.Object({ isSynchronous: Type.Boolean() }, strict), Type.Null()),
};
export type EchoProtocol = typeof echoProtocol;

export const datanodeOnlyProtocol = { 'echo.datanode': query('For data nodes', Type.Object({}, strict), Type.String()) };
export type DatanodeOnlyProtocol = typeof datanodeOnlyProtocol;

/** Handlers of the echo protocol. `seen` are the texts in the order they came; `open(gate)` lets those that wait there go on. */
export class EchoHandlers {
  readonly seen: string[] = [];
  readonly contexts: CallContext[] = [];
  readonly #gates = new Map<string, { promise: Promise<void>; open: () => void }>();
  waitingCount = 0;

  open(gate: string): void {
    this.#gate(gate).open();
  }

  #gate(name: string): { promise: Promise<void>; open: () => void } {
    let gate = this.#gates.get(name);
    if (!gate) {
      let open = () => {};
      const promise = new Promise<void>((resolve) => (open = resolve));
      gate = { promise, open };
      this.#gates.set(name, gate);
    }
    return gate;
  }

  get services(): Service[] {
    const echo: Handlers<EchoProtocol> = {
      'echo.say': ({ text, count }, context) => {
        this.seen.push(text);
        this.contexts.push(context);
        return { text, count: count ?? 0, user: context.user, clientId: context.clientId, role: context.role };
      },
      'echo.wait': async ({ gate }) => {
        this.waitingCount++;
        await this.#gate(gate).promise;
        return gate;
      },
      'echo.nothing': () => null,
      'echo.fail': () => {
        throw new FileNotFoundError('/a/b does not exist', { path: '/a/b', blockId: 7, details: ['one', 'two'] });
      },
      'echo.crash': ({ isSynchronous }) => {
        if (isSynchronous) throw new TypeError('a secret of this process');
        return Promise.reject(new TypeError('a secret of this process'));
      },
    };
    const datanode: Handlers<DatanodeOnlyProtocol> = { 'echo.datanode': (_params, context) => context.role };
    return [
      { protocol: echoProtocol, handlers: echo, allowedRoles: ['client', 'datanode'] },
      { protocol: datanodeOnlyProtocol, handlers: datanode, allowedRoles: ['datanode'] },
    ];
  }
}

export function testIdentity(overrides: Partial<Identity> = {}): Identity {
  return { clusterId: null, role: 'client', user: 'alice', clientId: 'client-1', ...overrides };
}

/** A logger that keeps its lines: level and message, and the stack of what was logged with an error. */
export function recordingLogger(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const add = (level: string) => (message: string, cause?: unknown) => void lines.push(`${level} ${message}${cause instanceof Error ? ` ${cause.stack}` : ''}`);
  return { lines, debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') };
}

/** An echo node on a free port. */
export async function startEchoNode(options: Partial<ListenOptions> = {}): Promise<{ listener: NodeListener; handlers: EchoHandlers; identity: Identity }> {
  const handlers = new EchoHandlers();
  const identity = options.identity ?? testIdentity({ role: 'namenode', user: 'hdfs', clientId: 'nn' });
  const listener = await listen({ host: '127.0.0.1', port: 0, services: handlers.services, title: 'echo node', clock: systemClock, logger: silentLogger, ...options, identity });
  return { listener, handlers, identity };
}

/** Resolves once `condition` holds; the test's own time limit ends the waiting. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
