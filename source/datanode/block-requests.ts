import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { decodeControl, type Frame, type ReadRequest, type TransferRequest, type WriteRequest } from '../protocol/block-stream.js';
import { ChecksumError, InvalidArgumentError } from '../protocol/errors.js';
import { blockSchema, byteCountSchema, generationStampSchema, offsetSchema, replicaLocationSchema } from '../protocol/schemas.js';

const strict = { additionalProperties: false } as const;
const token = Type.String({ maxLength: 4096 });
/** A chunk, and a packet of at least one, fits in a frame. */
export const maxChunkBytes = 1024 * 1024;

const writeSchema = Type.Object(
  {
    stage: Type.Union([Type.Literal('create'), Type.Literal('recover'), Type.Literal('transfer')]),
    block: blockSchema,
    storageId: Type.String({ maxLength: 64 }),
    token,
    downstream: Type.Array(replicaLocationSchema, { maxItems: 512 }),
    chunkBytes: Type.Integer({ minimum: 1, maximum: maxChunkBytes }),
    isDurable: Type.Boolean(),
    keepBytes: byteCountSchema,
    previousGenerationStamp: Type.Optional(generationStampSchema),
    isFinal: Type.Boolean(),
    isFollowed: Type.Optional(Type.Boolean()),
  },
  strict,
);
const readSchema = Type.Object({ block: blockSchema, token, offsetBytes: offsetSchema, lengthBytes: byteCountSchema }, strict);
const transferSchema = Type.Object({ block: blockSchema, token, target: replicaLocationSchema }, strict);

/** The boundary of the block stream: what the other end sent, or InvalidArgumentError that says what is wrong with it. */
export const parseWrite = parser<WriteRequest>('WRITE', writeSchema);
export const parseRead = parser<ReadRequest>('READ', readSchema);
export const parseTransfer = parser<TransferRequest>('TRANSFER', transferSchema);

function parser<T>(name: string, schema: TSchema & { static: Static<TSchema> }): (frame: Frame) => T {
  let check: TypeCheck<TSchema> | undefined;
  return (frame) => {
    check ??= TypeCompiler.Compile(schema);
    const value = decodeControl(frame);
    if (value === undefined) throw new ChecksumError(`${name}: its body was damaged on its way, or is no JSON`);
    if (check.Check(value)) return value as T;
    const error = check.Errors(value).First();
    throw new InvalidArgumentError(`${name}: ${error?.path ?? ''} ${error?.message ?? 'does not fit'}`);
  };
}
