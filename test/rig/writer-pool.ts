import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { tie } from './rig-cluster.js';
import type { Operation, Reply, Request } from './writer-process.js';

/** Acknowledged, refused or failed with an error, or lost with the process that did it. */
export type Outcome = { kind: 'acknowledged'; sha?: string; bytes?: number } | { kind: 'failed'; name: string; message: string } | { kind: 'lost' };

const entry = fileURLToPath(new URL('writer-process.js', import.meta.url));

/** A client in a process of its own, which may be killed: then it is started again, and what it was doing is lost. */
export class WriterProcess {
  readonly #nameNode: string;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #child: ChildProcess;
  #nextId = 1;

  constructor(nameNode: string) {
    this.#nameNode = nameNode;
    this.#child = this.#spawn();
  }

  perform(operation: Operation): Promise<Outcome> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#waiting.set(id, resolve);
      this.#child.send({ id, operation } satisfies Request, (error) => {
        if (error && this.#waiting.delete(id)) resolve({ kind: 'lost' });
      });
    });
  }

  /** SIGKILL, and a fresh one. */
  async kill(): Promise<void> {
    const child = this.#child;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#child = this.#spawn();
    for (const resolve of lost) resolve({ kind: 'lost' });
  }

  async close(): Promise<void> {
    const gone = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #spawn(): ChildProcess {
    const child = tie(fork(entry, [this.#nameNode], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined } }));
    child.on('message', ({ id, sha, bytes, error }: Reply) => {
      const resolve = this.#waiting.get(id);
      this.#waiting.delete(id);
      resolve?.(error ? { kind: 'failed', ...error } : { kind: 'acknowledged', ...(sha === undefined ? {} : { sha, bytes }) });
    });
    return child;
  }
}
