import type { ScanCursor } from '../storage/scan-cursor.js';
import { VolumeScanner, type VolumeScannerOptions } from './volume-scanner.js';

/** One scanner a storage, each at its own pace, since each has its own disk (Hadoop: BlockScanner). With a period of 0 there is none. */
export class BlockScanner {
  readonly #scanners: readonly VolumeScanner[];

  constructor(storageIds: readonly string[], options: Omit<VolumeScannerOptions, 'storageId'>) {
    this.#scanners = options.periodMs > 0 ? storageIds.map((storageId) => new VolumeScanner({ ...options, storageId })) : [];
  }

  /** Of each storage whose scan has begun. */
  get progress(): (ScanCursor & { storageId: string })[] {
    return this.#scanners.flatMap((scanner) => scanner.progress ?? []);
  }

  start(): void {
    for (const scanner of this.#scanners) scanner.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#scanners.map((scanner) => scanner.close()));
  }
}
