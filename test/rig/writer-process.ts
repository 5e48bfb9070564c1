import { pathToFileURL } from 'node:url';
import type { DfsClient } from '../../source/client/client-api.js';
import { connect } from '../../source/compose.js';
import { readFile } from '../helpers/fake-cluster.js';
import { bytesOf, type Content, sha256 } from './content.js';

/** What the process does, one at a time in each lane, several lanes at once. */
export type Operation =
  /** As `put` does: beside its place, then renamed, at once with the close. */
  | { kind: 'put'; path: string; temporary: string; content: Content }
  /** Into its place. */
  | { kind: 'create'; path: string; content: Content }
  | { kind: 'rename'; source: string; target: string }
  | { kind: 'delete'; path: string }
  | { kind: 'mkdirs'; path: string }
  | { kind: 'read'; path: string };

export type Request = { id: number; operation: Operation };
/** `sha` of what was read. */
export type Reply = { id: number; sha?: string; bytes?: number; error?: { name: string; message: string } };

const pieceBytes = 100_000;

async function write(client: DfsClient, operation: Operation & { kind: 'put' | 'create' }): Promise<void> {
  const isPut = operation.kind === 'put';
  const writer = await client.openWriter(isPut ? operation.temporary : operation.path, { overwrite: true, createParents: true, temporary: isPut });
  try {
    const bytes = bytesOf(operation.content);
    for (let at = 0; at < bytes.length; at += pieceBytes) await writer.write(bytes.subarray(at, at + pieceBytes));
    await writer.close(isPut ? { renameTo: { path: operation.path, overwrite: true } } : {});
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export async function perform(client: DfsClient, operation: Operation): Promise<{ sha?: string; bytes?: number }> {
  switch (operation.kind) {
    case 'put':
    case 'create':
      await write(client, operation);
      return {};
    case 'rename':
      await client.rename(operation.source, operation.target, { overwrite: true });
      return {};
    case 'delete':
      if (!(await client.delete(operation.path, { recursive: true }))) throw new Error(`${operation.path}: nothing was there to delete`);
      return {};
    case 'mkdirs':
      await client.mkdirs(operation.path);
      return {};
    case 'read': {
      const bytes = await readFile(client, operation.path);
      return { sha: sha256(bytes), bytes: bytes.length };
    }
  }
}

async function main(nameNode: string): Promise<void> {
  const client = await connect({ nameNode, retryTimeoutMs: 8000 });
  process.on('message', ({ id, operation }: Request) => {
    perform(client, operation).then(
      (result) => process.send!({ id, ...result } satisfies Reply),
      (error: unknown) => process.send!({ id, error: { name: (error as Error).name, message: (error as Error).message } } satisfies Reply),
    );
  });
  process.once('disconnect', () => process.exit());
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv[2]!);
