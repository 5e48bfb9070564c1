import { Socket } from 'node:net';
import type { FrameChannel, FrameTransport } from './frame-channel.js';

/** The two functions of the `onread` option of a socket. */
export interface OnRead {
  buffer: () => Buffer;
  callback: (count: number) => boolean;
}

/** How a socket of our own making is to read for `channel`: straight into the channel's buffers. */
export function onReadOf(channel: FrameChannel): OnRead {
  return { buffer: channel.nextBuffer, callback: channel.onBytes };
}

/** Carries `channel` on a connected socket, which reads by `onread`, or else by 'data' events. */
export function attachSocket(channel: FrameChannel, socket: Socket, reading: 'onread' | 'data'): void {
  channel.attach(new SocketTransport(socket));
  if (reading === 'data') {
    socket.on('data', (chunk: Buffer) => {
      if (!channel.onChunk(chunk)) socket.pause();
    });
  }
  socket.on('end', () => channel.onEnd());
  socket.on('error', (error) => channel.onClose(error));
  socket.on('close', () => channel.onClose());
  socket.resume();
}

class SocketTransport implements FrameTransport {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(pieces: Uint8Array[]): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const last = pieces.length - 1;
      const taken = (error?: Error | null) => {
        // Node reports a write that destroy() cut off as done (onWriteComplete in stream_base_commons.js).
        if (error || socket.destroyed) reject(error ?? new Error('destroyed'));
        else resolve();
      };
      if (last === 0) {
        socket.write(pieces[0]!, taken);
        return;
      }
      // All pieces in one system call.
      socket.cork();
      for (let i = 0; i < last; i++) socket.write(pieces[i]!);
      socket.write(pieces[last]!, taken);
      socket.uncork();
    });
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  setReferenced(isReferenced: boolean): void {
    if (isReferenced) this.#socket.ref();
    else this.#socket.unref();
  }
}

/** What of node:net's inside is used here (Node 20, 22, 24). */
interface Internals {
  _handle: { readStop?: unknown; useUserBuffer?: unknown; reading?: unknown } | null;
  _server: unknown;
  server: unknown;
}

/**
 * A socket in the place of an accepted one, on the same connection, that reads by `onread`: a third of the CPU time of 'data' events,
 * and node:net offers it for sockets that connect only. Undefined, and `accepted` untouched, where this Node is made otherwise:
 * then read by 'data' events.
 *
 * `accepted` must not have anything read that its owner has not taken.
 */
export function adoptSocket(accepted: Socket, onread: OnRead): Socket | undefined {
  const internals = accepted as unknown as Internals;
  const handle = internals._handle;
  if (!handle || typeof handle.readStop !== 'function' || typeof handle.useUserBuffer !== 'function' || typeof handle.reading !== 'boolean') return undefined;
  const server = internals._server;
  (handle.readStop as () => number)();
  // Else the new socket believes that it reads already, and never does.
  handle.reading = false;
  internals._handle = null;
  internals._server = null;
  internals.server = null;
  accepted.destroy();
  const adopted = new Socket({ handle, allowHalfOpen: true, onread } as never);
  // The server counts its connections down when they close.
  Object.assign(adopted, { _server: server, server });
  return adopted;
}
