import { open } from 'node:fs/promises';

/** The directory's entries are on disk. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories, and needs none synced.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
