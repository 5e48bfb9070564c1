import { Type } from '@sinclair/typebox';
import { mutation } from './method.js';
import { callIdSchema, fileStatusSchema, locatedBlockSchema, offsetSchema, pathSchema } from './schemas.js';

const strict = { additionalProperties: false } as const;
const callId = Type.Optional(callIdSchema);

/** What is done to files that were closed before, or whose writers are gone (Hadoop: ClientProtocol's append, truncate, concat, recoverLease). */
export const reopenProtocol = {
  'fs.append': mutation(
    'Opens a file again, to write behind its end. RecoveryInProgressError while the file of a dead writer is being closed: try again',
    Type.Object({ path: pathSchema, callId }, strict),
    Type.Object(
      {
        file: fileStatusSchema,
        /**
         * The partial last block, complete so far, with its generation, length and replicas: it goes on by updateBlockForPipeline, a pipeline of
         * stage `recover`, and updatePipeline. Null if there is none: addBlock, with `previous` null, brings the next one.
         */
        last: Type.Union([locatedBlockSchema, Type.Null()]),
      },
      strict,
    ),
  ),
  'fs.truncate': mutation(
    'Cuts a file. True: done. False: its last block is being cut, and the file is under construction until then',
    Type.Object({ path: pathSchema, newLengthBytes: offsetSchema, callId }, strict),
    Type.Boolean(),
  ),
  'fs.concat': mutation(
    'Moves the blocks of the sources, in order, behind those of the target; the sources are gone then. Wholly or not at all',
    Type.Object({ target: pathSchema, sources: Type.Array(pathSchema, { minItems: 1, maxItems: 10_000 }), callId }, strict),
    Type.Null(),
  ),
  'fs.recoverLease': mutation(
    'Begins to close a file whose writer is gone, whoever holds its lease. True if it is closed',
    Type.Object({ path: pathSchema, callId }, strict),
    Type.Boolean(),
  ),
};
export type ReopenProtocol = typeof reopenProtocol;
