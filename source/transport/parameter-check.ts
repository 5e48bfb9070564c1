import type { TObject, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';

/** Says what is wrong with the parameters of one method, in one line; undefined if nothing is. Compiled at the first use. */
export type ParameterCheck = (params: unknown) => string | undefined;

export function createParameterCheck(method: string, schema: TSchema): ParameterCheck {
  let compiled: TypeCheck<TSchema> | undefined;
  return (params) => {
    if (Array.isArray(params)) return `${method} takes its parameters by name: {${parameterNames(schema).join(', ')}}`;
    compiled ??= TypeCompiler.Compile(schema);
    if (compiled.Check(params)) return undefined;
    return describeProblem(method, schema, compiled.Errors(params).First()!);
  };
}

/** The names of a method's parameters, in the order of its schema. */
export function parameterNames(schema: TSchema): string[] {
  return Object.keys((schema as TObject).properties ?? {});
}

function describeProblem(method: string, schema: TSchema, error: ValueError): string {
  const name = error.path.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  if (name === '') return `${method}: found ${shown(error.value)}, allowed: an object of ${parameterNames(schema).join(', ') || 'no parameters'}`;
  // Here the schema is that of the object that holds the unknown member.
  if (error.type === ValueErrorType.ObjectAdditionalProperties) {
    return `${method}: unknown parameter ${JSON.stringify(name)}; allowed: ${parameterNames(error.schema).join(', ') || 'none'}`;
  }
  if (error.value === undefined) return `${method}: parameter ${JSON.stringify(name)} is missing; allowed: ${describeSchema(error.schema)}`;
  return `${method}: parameter ${JSON.stringify(name)}: found ${shown(error.value)}, allowed: ${describeSchema(error.schema)}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** What a schema allows, for people: `an integer from 1 to 512`. */
function describeSchema(schema: TSchema): string {
  if (schema['const'] !== undefined) return JSON.stringify(schema['const']);
  if (schema['anyOf']) return (schema['anyOf'] as TSchema[]).map(describeSchema).join(' or ');
  switch (schema['type']) {
    case 'integer':
    case 'number':
      return `${schema['type'] === 'integer' ? 'an integer' : 'a number'}${range(schema['minimum'], schema['maximum'], '')}`;
    case 'string':
      return schema['pattern'] ? `text that matches ${schema['pattern']}` : `text${range(schema['minLength'], schema['maxLength'], ' characters')}`;
    case 'array':
      return `an array${range(schema['minItems'], schema['maxItems'], ' items')}`;
    case 'object':
      return `an object of ${parameterNames(schema).join(', ')}`;
    case 'null':
      return 'null';
    default:
      return `a ${schema['type']}`;
  }
}

function range(least: number | undefined, most: number | undefined, unit: string): string {
  if (least === undefined && most === undefined) return '';
  if (most === undefined) return ` of at least ${least}${unit}`;
  if (least === undefined) return ` of at most ${most}${unit}`;
  return unit === '' ? ` from ${least} to ${most}` : ` of ${least} to ${most}${unit}`;
}
