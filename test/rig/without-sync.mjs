// Preloaded into a node of a control run: its syncs do nothing, as on a disk that lies. Whatever it acknowledges a power cut may take.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

fs.fsync = (_descriptor, callback) => setImmediate(callback, null);
fs.fdatasync = fs.fsync;
fs.fsyncSync = () => {};
fs.fdatasyncSync = () => {};
const handle = await fs.promises.open(process.execPath);
const prototype = Object.getPrototypeOf(handle);
prototype.sync = async () => {};
prototype.datasync = async () => {};
await handle.close();
syncBuiltinESMExports();
