import type { Static, TSchema } from '@sinclair/typebox';

/** One JSON-RPC method: what a server validates and documents, and what a client is typed by. Params are by name. */
export interface MethodDefinition<P extends TSchema = TSchema, R extends TSchema = TSchema> {
  /** One line for the OpenRPC document. */
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /** True if the call changes something durable: it then carries an optional callId. */
  readonly isMutating: boolean;
}

/** All methods of a service by name (`namespace.action`). */
export type Protocol = Record<string, MethodDefinition>;

export type ParamsOf<P extends Protocol, M extends keyof P> = Static<P[M]['params']>;
export type ResultOf<P extends Protocol, M extends keyof P> = Static<P[M]['result']>;

export function query<P extends TSchema, R extends TSchema>(summary: string, params: P, result: R): MethodDefinition<P, R> {
  return { summary, params, result, isMutating: false };
}

export function mutation<P extends TSchema, R extends TSchema>(summary: string, params: P, result: R): MethodDefinition<P, R> {
  return { summary, params, result, isMutating: true };
}

/** Who calls, as the transport knows it (the connection's hello, or HTTP headers): never from a parameter. */
export interface CallContext {
  /** Believed, as in Hadoop's simple mode, while nothing but loopback is served. */
  readonly user: string;
  /** Chosen by the client at its start: with a callId it names one call. */
  readonly clientId: string;
  readonly role: 'client' | 'datanode';
  /** host:port of the other end, for logs and for the nearest replica. */
  readonly remoteAddress: string;
}

/** What a node serves. A handler throws a DfsError for an expected failure; its params have passed the schema. */
export type Handlers<P extends Protocol> = {
  [M in keyof P]: (params: ParamsOf<P, M>, context: CallContext) => ResultOf<P, M> | Promise<ResultOf<P, M>>;
};

export interface CallOptions {
  /** Gives up waiting, with the signal's reason. The call may still happen. */
  signal?: AbortSignal | undefined;
  /** Gives up waiting with OutcomeUnknownError. */
  timeoutMs?: number | undefined;
}

/**
 * A connection to one node's JSON-RPC service. Calls are pipelined on one stream; one lost stream is opened anew by the next
 * call. Failures: the DfsError that the peer sent; UnavailableError when nothing answers the connection, and so the call
 * certainly did not happen; OutcomeUnknownError when the stream broke, or time ran out, after the call was sent. No retries here.
 */
export interface RpcCaller<P extends Protocol> {
  call<M extends keyof P & string>(method: M, params: ParamsOf<P, M>, options?: CallOptions): Promise<ResultOf<P, M>>;
  close(): void;
}
