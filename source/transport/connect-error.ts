import { OverloadedError, UnavailableError } from '../protocol/errors.js';

/** Why no connection to `address` came about: nothing was sent, so nothing can have happened there. */
export function connectError(address: string, cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'EMFILE' || cause.code === 'ENFILE') {
    const message = `too many files and connections are open on this side to connect to ${address}; try again later, or raise the limit (ulimit -n)`;
    return new OverloadedError(message, { cause });
  }
  const reason = cause.code === 'ECONNREFUSED' ? 'connection refused' : (cause.code ?? cause.message);
  return new UnavailableError(`nothing answers at ${address} (${reason})`, { cause });
}

export function connectTimeoutError(address: string, timeoutMs: number): Error {
  return new UnavailableError(`nothing answers at ${address}: no connection within ${timeoutMs} ms`);
}
