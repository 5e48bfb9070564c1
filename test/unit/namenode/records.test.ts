import test from 'ava';
import fc from 'fast-check';
import { ByteReader, ByteWriter } from '../../../source/namenode/byte-codec.js';
import { decodeEdit, encodeEdit, type EditRecord } from '../../../source/namenode/edit-record.js';
import { decodeFormat, encodeFormat } from '../../../source/namenode/format.js';
import { decodeInode, encodeInode, type Inode } from '../../../source/namenode/inode.js';
import { encodeLease } from '../../../source/namenode/lease-record.js';
import { DirectoryNotEmptyError } from '../../../source/protocol/errors.js';

const safeInteger = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const anyText = fc.string({ unit: 'grapheme', maxLength: 300 });

test('numbers and text come back from a record as they were written', (t) => {
  const writer = new ByteWriter();
  fc.assert(
    fc.property(fc.array(fc.oneof(safeInteger, anyText, fc.constantFrom(0, 127, 128, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER))), (fields) => {
      for (const field of fields) {
        if (typeof field === 'number') writer.number(field);
        else writer.text(field);
      }
      const reader = new ByteReader(writer.finish());
      return fields.every((field) => (typeof field === 'number' ? reader.number() === field : reader.text() === field));
    }),
  );
  t.pass();
});

test('a text longer than the writer began with comes back whole', (t) => {
  const text = 'ü'.repeat(10_000);
  t.is(new ByteReader(new ByteWriter().number(1).text(text).finish().subarray(1)).text(), text);
});

test('a record that ends too early is an error, not a wrong value', (t) => {
  const bytes = new ByteWriter().text('abc').finish();
  t.throws(() => new ByteReader(bytes.subarray(0, 2)).text(), { instanceOf: RangeError });
  t.throws(() => new ByteReader(new Uint8Array()).number(), { instanceOf: RangeError });
});

test('an inode comes back as it was written, and takes few bytes', (t) => {
  const common = { id: 16_390, parentId: 16_385, owner: 'alice', group: 'supergroup', permission: 0o1755, modificationTimeMs: 1_790_000_000_000, accessTimeMs: 0 };
  const directory: Inode = { ...common, type: 'directory', name: 'ä b' };
  const file: Inode = { ...common, type: 'file', name: 'f', replication: 3, blockSizeBytes: 2 ** 26, lengthBytes: 2 ** 40, blockCount: 2 ** 14, isUnderConstruction: false, isTemporary: false };
  const open: Inode = { ...file, isUnderConstruction: true, isTemporary: true };
  for (const inode of [directory, file, open]) t.deepEqual(decodeInode(inode.id, encodeInode(inode)), inode);
  t.true(encodeInode(file).length < 70);
});

test('an edit comes back from the log with the answer to its call', (t) => {
  const location = { datanodeUuid: 'u1', storageId: 's1', name: 'dn1', address: '127.0.0.1:9864', rack: '/r', state: 'stale' as const };
  const block = { block: { blockId: 7, generationStamp: 8, lengthBytes: 9 }, blockIndex: 1, offsetBytes: 1000, locations: [location], token: 't' };
  const file = {
    name: 'f',
    inodeId: 3,
    type: 'file' as const,
    lengthBytes: 5,
    replication: 3,
    blockSizeBytes: 10_000,
    modificationTimeMs: 1,
    accessTimeMs: 2,
    permission: 0o644,
    owner: 'o',
    group: 'g',
    isUnderConstruction: true,
  };
  const call = { clientId: 'client', callId: 5, digest: [1, 2 ** 32 - 1] as const };
  const records: EditRecord[] = [
    { editId: 1, timeMs: 9, call: undefined, op: { kind: 'mkdirs', parentId: 1, names: ['a', 'ü'], firstInodeId: 2, owner: 'o', group: 'g', ancestorPermission: 0o755, permission: 0o700 } },
    { editId: 2, timeMs: 9, call: { ...call, answer: { kind: 'created', value: { file, block } } }, op: { kind: 'delete', inodeId: 4 } },
    { editId: 3, timeMs: 9, call: { ...call, answer: { kind: 'status', value: file } }, op: { kind: 'rename', inodeId: 4, targetParentId: 5, targetName: 'x', overwrittenId: undefined } },
    { editId: 4, timeMs: 9, call: { ...call, answer: { kind: 'block', value: block } }, op: { kind: 'rename', inodeId: 4, targetParentId: 5, targetName: 'x', overwrittenId: 0 } },
    { editId: 5, timeMs: 9, call: { ...call, answer: { kind: 'generation', value: { generationStamp: 4, token: '' } } }, op: { kind: 'answer' } },
    { editId: 6, timeMs: 9, call: { ...call, answer: { kind: 'boolean', value: false } }, op: { kind: 'answer' } },
    { editId: 7, timeMs: 9, call: { ...call, answer: { kind: 'null', value: null } }, op: { kind: 'answer' } },
  ];
  for (const record of records) t.deepEqual(decodeEdit(record.editId, encodeEdit(record)), record);
});

test('a refusal comes back from the log as the same error', (t) => {
  const error = new DirectoryNotEmptyError('/d is non empty', { path: '/d', blockId: 5, details: ['one', 'two'] });
  const record: EditRecord = { editId: 1, timeMs: 1, call: { clientId: 'c', callId: 1, digest: [0, 0], answer: { kind: 'refusal', error } }, op: { kind: 'answer' } };
  const answer = decodeEdit(1, encodeEdit(record)).call!.answer;
  if (answer.kind !== 'refusal') return t.fail('no refusal');
  t.true(answer.error instanceof DirectoryNotEmptyError);
  t.like(answer.error, { message: '/d is non empty', path: '/d', blockId: 5, details: ['one', 'two'] });
});

test('the format tells its version whatever else a later one may hold', (t) => {
  t.deepEqual(decodeFormat(encodeFormat({ version: 1, clusterId: 'CID-1' })), { version: 1, clusterId: 'CID-1' });
  t.is(decodeFormat(encodeFormat({ version: 77, clusterId: '' }))?.version, 77);
  t.is(decodeFormat(Buffer.from('something else')), undefined);
});

test('a record that could not be encoded leaves nothing in the one after it', (t) => {
  const whole = encodeLease({ clientId: 'client', clientAddress: 'host:1', isTemporary: true, blockCount: 5 });
  t.throws(() => encodeLease({ clientId: 'client', clientAddress: undefined as unknown as string, isTemporary: true, blockCount: 5 }));
  t.deepEqual(encodeLease({ clientId: 'client', clientAddress: 'host:1', isTemporary: true, blockCount: 5 }), whole);
});
