import type { TObject, TSchema } from '@sinclair/typebox';
import { errorTable, rpcErrorCodes } from '../protocol/errors.js';
import { protocolVersion } from '../protocol/hello.js';
import type { Protocol } from '../protocol/method.js';

interface ContentDescriptor {
  name: string;
  required?: boolean;
  schema: TSchema | object;
}

interface OpenRpcMethod {
  name: string;
  summary: string;
  paramStructure: 'by-name';
  params: ContentDescriptor[];
  result: ContentDescriptor;
  /** Who may call it: the roles of a hello. Over HTTP everybody is a client. */
  'x-roles': string[];
  'x-mutating': boolean;
}

/** OpenRPC 1.3.2: what rpc.discover answers. */
export interface OpenRpcDocument {
  openrpc: '1.3.2';
  info: { title: string; version: string; description: string };
  methods: OpenRpcMethod[];
  components: { errors: Record<string, { code: number; message: string; data: unknown }> };
}

/** The document of exactly the methods that `services` and rpc.discover make up. */
export function describeMethods(services: { protocol: Protocol; allowedRoles: string[] }[], title: string): OpenRpcDocument {
  const methods: OpenRpcMethod[] = [
    {
      name: 'rpc.discover',
      summary: 'This document',
      paramStructure: 'by-name',
      params: [],
      result: { name: 'document', schema: { type: 'object' } },
      'x-roles': ['client', 'datanode'],
      'x-mutating': false,
    },
  ];
  for (const { protocol, allowedRoles } of services) {
    for (const [name, definition] of Object.entries(protocol)) {
      const params = definition.params as TObject;
      methods.push({
        name,
        summary: definition.summary,
        paramStructure: 'by-name',
        params: Object.entries(params.properties).map(([param, schema]) => ({ name: param, required: params.required?.includes(param) ?? false, schema })),
        result: { name: 'result', schema: definition.result },
        'x-roles': allowedRoles,
        'x-mutating': definition.isMutating,
      });
    }
  }
  const description = [
    `JSON-RPC 2.0, parameters by name, on POST /rpc and on a newline-framed stream that opens with a hello (protocol version ${protocolVersion}).`,
    'components.errors are all codes that a method may answer with.',
  ].join(' ');
  return { openrpc: '1.3.2', info: { title, version: String(protocolVersion), description }, methods, components: { errors: describeErrors() } };
}

function describeErrors(): OpenRpcDocument['components']['errors'] {
  const errors: OpenRpcDocument['components']['errors'] = {};
  for (const [name, code] of Object.entries(rpcErrorCodes)) errors[name] = { code, message: `JSON-RPC's own: ${name}`, data: null };
  for (const { name, code, hadoopException, isRetriable } of errorTable()) {
    errors[name] = { code, message: name, data: { name, hadoopException, isRetriable } };
  }
  return errors;
}
