import { createHash } from 'node:crypto';
import test from 'ava';
import { crc32c } from '../../../source/base/checksum.js';
import { fileChecksum } from '../../../source/client/file-checksum.js';
import type { LocatedBlock } from '../../../source/protocol/block.js';
import type { DatanodeServiceProtocol } from '../../../source/protocol/datanode-protocol.js';
import { BlockMissingError, CancelledError, UnavailableError } from '../../../source/protocol/errors.js';
import type { RpcCaller } from '../../../source/protocol/method.js';

const blockSizeBytes = 1 << 20;

/** The bytes that were put into HDFS 3.4.1 for the figures below. */
function contentOf(lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 255;
  return bytes;
}

async function* blocksOf(lengthBytes: number): AsyncIterable<LocatedBlock> {
  for (let offsetBytes = 0, blockIndex = 0; offsetBytes < lengthBytes; offsetBytes += blockSizeBytes, blockIndex++) {
    const locations = ['dead:1', 'live:2'].map((address, index) => ({ datanodeUuid: `u${index}`, storageId: 's', name: `dn${index + 1}`, address, rack: '/r', state: 'live' as const }));
    yield { block: { blockId: blockIndex + 1, generationStamp: 1, lengthBytes: Math.min(blockSizeBytes, lengthBytes - offsetBytes) }, blockIndex, offsetBytes, locations, token: '' };
  }
}

function dataNodes(content: Buffer): (address: string) => RpcCaller<DatanodeServiceProtocol> {
  return (address) =>
    ({
      call: async (_: string, { block }: { block: LocatedBlock['block'] }) => {
        if (address === 'dead:1') throw new UnavailableError('refused');
        const start = (block.blockId - 1) * blockSizeBytes;
        const hash = createHash('md5');
        for (let at = start; at < start + block.lengthBytes; at += 512) {
          const crc = Buffer.alloc(4);
          crc.writeUInt32BE(crc32c(content.subarray(at, Math.min(at + 512, start + block.lengthBytes))));
          hash.update(crc);
        }
        return { md5: hash.digest('hex'), generationStamp: 1 };
      },
      close: () => {},
    }) as unknown as RpcCaller<DatanodeServiceProtocol>;
}

for (const [lengthBytes, algorithm, hex] of [
  [0, 'MD5-of-0MD5-of-0CRC32', '00000000000000000000000070bc8f4b72a86921468bf8e8441dce51'],
  [1, 'MD5-of-0MD5-of-512CRC32C', '000002000000000000000000dc236201841049096ad31b6213203a90'],
  [513, 'MD5-of-0MD5-of-512CRC32C', '00000200000000000000000047a257d7ce5555094b6a6c3d1a889c5d'],
  [1048576, 'MD5-of-0MD5-of-512CRC32C', '0000020000000000000000000012f56c1871a827af8ec3957130702c'],
  [1048577, 'MD5-of-2048MD5-of-512CRC32C', '000002000000000000000800dab3503ba10032ec6f2333a15e16cc34'],
  [2500000, 'MD5-of-2048MD5-of-512CRC32C', '00000200000000000000080087bfc9d46b51549fdf80e9aeb498922e'],
  [4194304, 'MD5-of-2048MD5-of-512CRC32C', '00000200000000000000080076a3a0974b8bbf0e428fd545127f3e4c'],
  [9437184, 'MD5-of-2048MD5-of-512CRC32C', '000002000000000000000800621003a325eed0e11a6c0e31f1ee6605'],
] as const) {
  test(`the checksum of ${lengthBytes} bytes in blocks of 1 MiB is the one that HDFS 3.4.1 gives`, async (t) => {
    const checksum = await fileChecksum('/f', blocksOf(lengthBytes), dataNodes(contentOf(lengthBytes)), undefined);
    t.is(checksum.algorithm, algorithm);
    t.is(Buffer.from(checksum.bytes).toString('hex'), hex);
  });
}

test('no data node can tell: the error names the block and each node', async (t) => {
  const nobody = () => dataNodes(Buffer.alloc(0))('dead:1');
  const error = await t.throwsAsync<InstanceType<typeof BlockMissingError>>(fileChecksum('/f', blocksOf(10), nobody, undefined), { instanceOf: BlockMissingError });
  t.deepEqual(error!.details, ['dn1: refused', 'dn2: refused']);
  t.is(error!.message, '/f: no data node could tell the checksum of blk_1_1');
});

test('a signal stops it', async (t) => {
  const controller = new AbortController();
  const hanging = () => ({ call: (_m: string, _p: object, { signal }: { signal: AbortSignal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))), close: () => {} }) as unknown as RpcCaller<DatanodeServiceProtocol>;
  const summing = fileChecksum('/f', blocksOf(10), hanging, controller.signal);
  setImmediate(() => controller.abort());
  await t.throwsAsync(summing, { instanceOf: CancelledError });
});
