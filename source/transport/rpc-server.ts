import { Type } from '@sinclair/typebox';
import jayson from 'jayson';
import type { Logger } from '../base/log.js';
import { DfsError, PermissionDeniedError, RpcError, type WireError, rpcErrorCodes, toWireError } from '../protocol/errors.js';
import type { CallContext, Handlers, MethodDefinition, Protocol } from '../protocol/method.js';
import { type OpenRpcDocument, describeMethods } from './open-rpc.js';
import { createParameterCheck } from './parameter-check.js';

/** One protocol as a node serves it. */
export interface Service {
  protocol: Protocol;
  // Handlers are typed by their own protocol; here every one takes what its schema let through.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  handlers: Handlers<any>;
  /** Callers in another role get PermissionDeniedError. */
  allowedRoles: ('client' | 'datanode')[];
}

/** Requests in a batch at most. */
export const maxBatchLength = 1000;

/** The methods of a node, whatever brings the calls: a stream, HTTP, or a test. */
export interface RpcServer {
  /**
   * Takes one parsed JSON-RPC request or batch. `respond` is called once: with the text of the answer, or undefined where
   * there is none to give (notifications).
   */
  call(request: unknown, context: CallContext, respond: (response: string | undefined) => void): void;
  readonly document: OpenRpcDocument;
}

type Answer = (error?: unknown, result?: unknown) => void;

/**
 * JSON-RPC 2.0 on jayson's server: it checks requests and batches, and makes the answers; ours are the methods, found through its router
 * (it refuses to register a name like rpc.discover), and what crosses the wire of an error.
 */
export function createRpcServer(options: { services: Service[]; title: string; logger: Logger }): RpcServer {
  const { services, title, logger } = options;
  const document = describeMethods(services, title);
  const methods = new Map<string, jayson.Method>();
  const discover = createParameterCheck('rpc.discover', Type.Object({}, { additionalProperties: false }));
  methods.set('rpc.discover', methodOf((params, _context, answer) => answer(invalidParams(discover(params ?? {})), document)));
  for (const { protocol, handlers, allowedRoles } of services) {
    for (const [name, definition] of Object.entries(protocol)) {
      methods.set(name, methodOf(createMethod({ name, definition, handler: handlers[name]!, allowedRoles, logger })));
    }
  }

  const server = new jayson.Server({}, { useContext: true, maxBatchLength, router: (name) => methods.get(name) ?? unknownMethod(name) });
  const call: RpcServer['call'] = (request, context, respond) => {
    // jayson 5 leaves a request without an answer if it is a batch that holds a batch.
    const isBatch = Array.isArray(request);
    const checked = isBatch ? request.map((entry: unknown) => (Array.isArray(entry) ? null : entry)) : request;
    server.call(checked as jayson.JSONRPCRequestLike, context, (error?: unknown, response?: unknown) => {
      const answer = error ?? response;
      respond(answer === undefined ? undefined : answerText(answer, logger));
    });
  };
  return { call, document };
}

/** The answer to what was no JSON-RPC request at all. */
export function refusalText(error: Error): string {
  const wire: WireError = error instanceof SyntaxError ? { code: rpcErrorCodes.parseError, message: `not JSON: ${error.message}` } : toWireError(error);
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: wire });
}

function methodOf(handler: (params: unknown, context: CallContext, answer: Answer) => void): jayson.Method {
  return new jayson.Method(handler as unknown as jayson.MethodHandlerContext, { useContext: true });
}

function unknownMethod(name: string): jayson.Method {
  const message = `no method ${JSON.stringify(name.slice(0, 100))}; rpc.discover lists them`;
  return methodOf((_params, _context, answer) => answer({ code: rpcErrorCodes.methodNotFound, message }));
}

function createMethod(options: {
  name: string;
  definition: MethodDefinition;
  handler: (params: never, context: CallContext) => unknown;
  allowedRoles: ('client' | 'datanode')[];
  logger: Logger;
}): (params: unknown, context: CallContext, answer: Answer) => void {
  const { name, definition, handler, allowedRoles, logger } = options;
  const check = createParameterCheck(name, definition.params);
  const fail = (error: unknown, context: CallContext, answer: Answer) => {
    const isExpected = error instanceof DfsError || error instanceof RpcError;
    if (!isExpected) logger.error(`${name} from ${context.user} at ${context.remoteAddress} failed unexpectedly`, error);
    answer(toWireError(error));
  };
  return (params, context, answer) => {
    if (!allowedRoles.includes(context.role)) {
      const roles = `${name} is for a ${allowedRoles.join(' or ')}; the hello of this connection says ${context.role}`;
      return answer(toWireError(new PermissionDeniedError(roles)));
    }
    let result: unknown;
    try {
      const problem = invalidParams(check(params ?? {}));
      if (problem) return answer(problem);
      result = handler((params ?? {}) as never, context);
    } catch (error) {
      return fail(error, context, answer);
    }
    if (result instanceof Promise) {
      result.then(
        (value: unknown) => answer(null, value),
        (error: unknown) => fail(error, context, answer),
      );
    } else {
      answer(null, result);
    }
  };
}

function invalidParams(message: string | undefined): WireError | undefined {
  return message === undefined ? undefined : { code: rpcErrorCodes.invalidParams, message };
}

function answerText(answer: unknown, logger: Logger): string {
  try {
    return JSON.stringify(answer);
  } catch (error) {
    logger.error('an answer could not be written as JSON', error);
    const id = Array.isArray(answer) ? null : ((answer as { id?: unknown }).id ?? null);
    return JSON.stringify({ jsonrpc: '2.0', id, error: toWireError(error) });
  }
}
