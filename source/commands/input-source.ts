import type { ByteSource } from '../filesystem/file-system.js';
import type { CommandContext } from './command.js';
import type { PathItem } from './path-item.js';

/** Standard input as a source, whose length nobody knows; `target`: what it is copied to. */
export function inputSource(context: CommandContext, target: PathItem): ByteSource {
  const chunks = context.input[Symbol.asyncIterator]();
  const nowMs = context.clock.nowMs();
  return {
    status: {
      name: target.path.slice(target.path.lastIndexOf('/') + 1),
      inodeId: 1,
      type: 'file',
      lengthBytes: 0,
      replication: 1,
      blockSizeBytes: 0,
      modificationTimeMs: nowMs,
      accessTimeMs: nowMs,
      permission: 0o644,
      owner: context.session.user,
      group: '',
      isUnderConstruction: true,
    },
    async read() {
      for (;;) {
        const next = await untilAborted(chunks.next(), context.signal);
        if (next.done) return null;
        if (next.value.byteLength > 0) return { bytes: next.value, release() {} };
      }
    },
    async close() {
      // Not waited for: whoever is to say something there may never.
      void chunks.return?.().catch(() => {});
    },
  };
}

/** Waiting for a person who types, or a pipe that says nothing, ends with the signal. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
