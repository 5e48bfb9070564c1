import { silentLogger } from '../../source/base/log.js';
import { encodeNumber } from '../../source/storage/key-encoding.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';

// A program for tests that kill it: writes pairs of records as fast as it can and prints the number of each that is durable.
// With a second number it ends by itself behind that one.
const store = await openLmdbStore({ directory: process.argv[2]!, logger: silentLogger });
void store.failed.then((error) => {
  process.stdout.write(`failed: ${error.message}\n`, () => process.exit(3));
});
let next = Number(process.argv[3]);
const end = Number(process.argv[4] ?? Infinity);
const write = async () => {
  while (next < end) {
    const number = next++;
    await store.transact((transaction) => {
      transaction.put('a' + encodeNumber(number), Buffer.alloc(200, number));
      transaction.put('b' + encodeNumber(number), Buffer.alloc(200, number));
    });
    process.stdout.write(`${number}\n`);
  }
};
await Promise.all(Array.from({ length: 16 }, write)).catch(() => {});
await store.close();
