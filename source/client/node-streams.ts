import { Readable, Writable } from 'node:stream';
import type { FileReader, FileWriter } from './client-api.js';

const highWaterMark = 512 * 1024;

/** A Node stream over a reader that is opened by the first read. Destroying it closes the reader. Chunks are copies, and the consumer's. */
export function readableOf(open: () => Promise<FileReader>): Readable {
  let reader: FileReader | undefined;
  return new Readable({
    highWaterMark,
    construct(callback) {
      open().then(
        (opened) => {
          reader = opened;
          callback();
        },
        (error: Error) => callback(error),
      );
    },
    read() {
      reader!.read().then(
        (piece) => {
          if (!piece) return void this.push(null);
          const copy = Buffer.from(piece.bytes);
          piece.release();
          this.push(copy);
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, callback) {
      reader?.close();
      callback(error);
    },
  });
}

/** A Node stream over a writer. 'finish' comes after a durable close; destroyed before that, it leaves nothing behind. */
export function writableOf(open: () => Promise<FileWriter>): Writable {
  let writer: FileWriter | undefined;
  return new Writable({
    highWaterMark,
    construct(callback) {
      open().then(
        (opened) => {
          writer = opened;
          callback();
        },
        (error: Error) => callback(error),
      );
    },
    write(chunk: Buffer, _encoding, callback) {
      writer!.write(chunk).then(() => callback(), callback);
    },
    final(callback) {
      writer!.close().then(() => callback(), callback);
    },
    destroy(error, callback) {
      // After a close in good order there is nothing to abort.
      (writer?.abort() ?? Promise.resolve()).then(() => callback(error));
    },
  });
}
