import { createHash } from 'node:crypto';
import type { LocatedBlock } from '../protocol/block.js';
import { blockName } from '../protocol/block.js';
import type { DatanodeServiceProtocol } from '../protocol/datanode-protocol.js';
import { BlockMissingError, InputOutputError } from '../protocol/errors.js';
import type { RpcCaller } from '../protocol/method.js';
import { cancelledError } from './cancellation.js';
import { messageOf } from './pipeline.js';

const bytesPerCrc = 512;
const md5Bytes = 16;
const blocksAtOnce = 4;

/**
 * HDFS's file checksum (FileChecksumHelper, MD5MD5CRC32FileChecksum): the MD5 of the blocks' MD5s, each of the CRC-32C of every 512 bytes.
 *
 *     +--------------------+----------------------+-----+
 *     | bytesPerCrc int32  | crcPerBlock int64    | MD5 |   big-endian; crcPerBlock is 0 for a file of one block
 *     +--------------------+----------------------+-----+
 *
 * HDFS hashes the whole buffer in which it gathered the blocks' MD5s, zeros behind them included: 32 bytes, doubled until they fit.
 * Seen on 3.4.1 with 0 to 9 blocks.
 */
export async function fileChecksum(
  path: string,
  blocks: AsyncIterable<LocatedBlock>,
  dataNode: (address: string) => RpcCaller<DatanodeServiceProtocol>,
  signal: AbortSignal | undefined,
): Promise<{ algorithm: string; bytes: Uint8Array }> {
  const hash = createHash('md5');
  let blockCount = 0;
  let firstBlockBytes = 0;
  const underWay: Promise<Buffer>[] = [];
  const take = async () => void hash.update(await underWay.shift()!);
  try {
    for await (const block of blocks) {
      if (block.isUnderConstruction) throw new InputOutputError(`Fail to get checksum, since file ${path} is under construction.`, { path });
      if (block.block.lengthBytes === 0) continue;
      if (blockCount++ === 0) firstBlockBytes = block.block.lengthBytes;
      const checksum = blockChecksum(path, block, dataNode, signal);
      checksum.catch(() => {});
      underWay.push(checksum);
      if (underWay.length >= blocksAtOnce) await take();
    }
    while (underWay.length > 0) await take();
  } catch (error) {
    throw signal?.aborted ? cancelledError(signal, `checksum of ${path}`) : error;
  }
  hash.update(Buffer.alloc(hashedBytes(blockCount * md5Bytes) - blockCount * md5Bytes));

  const crcPerBlock = blockCount > 1 ? Math.ceil(firstBlockBytes / bytesPerCrc) : 0;
  const bytes = Buffer.alloc(12 + md5Bytes);
  bytes.writeInt32BE(blockCount === 0 ? 0 : bytesPerCrc, 0);
  bytes.writeBigInt64BE(BigInt(crcPerBlock), 4);
  hash.digest().copy(bytes, 12);
  return { algorithm: blockCount === 0 ? 'MD5-of-0MD5-of-0CRC32' : `MD5-of-${crcPerBlock}MD5-of-${bytesPerCrc}CRC32C`, bytes };
}

function hashedBytes(usedBytes: number): number {
  let bytes = 2 * md5Bytes;
  while (bytes < usedBytes) bytes *= 2;
  return bytes;
}

/** From the first of the block's data nodes that can tell. */
async function blockChecksum(path: string, located: LocatedBlock, dataNode: (address: string) => RpcCaller<DatanodeServiceProtocol>, signal: AbortSignal | undefined): Promise<Buffer> {
  const details: string[] = [];
  for (const replica of located.locations) {
    try {
      const { md5 } = await dataNode(replica.address).call('replica.getChecksum', { block: located.block, token: located.token, bytesPerCrc }, { signal });
      const bytes = Buffer.from(md5, 'hex');
      if (bytes.length === md5Bytes) return bytes;
      details.push(`${replica.name}: sent no MD5`);
    } catch (error) {
      if (signal?.aborted) throw error;
      details.push(`${replica.name}: ${messageOf(error)}`);
    }
  }
  throw new BlockMissingError(`${path}: no data node could tell the checksum of ${blockName(located.block)}`, { path, blockId: located.block.blockId, details: details.length > 0 ? details : ['no data node has reported it'] });
}
