import { Type } from '@sinclair/typebox';
import test from 'ava';
import { clientProtocol } from '../../../source/protocol/client-protocol.js';
import { createParameterCheck } from '../../../source/transport/parameter-check.js';

const strict = { additionalProperties: false } as const;
const check = createParameterCheck(
  'fs.try',
  Type.Object(
    {
      path: Type.String({ minLength: 1, maxLength: 20 }),
      count: Type.Optional(Type.Integer({ minimum: 1, maximum: 512 })),
      action: Type.Optional(Type.Union([Type.Literal('get'), Type.Literal('enter')])),
      nested: Type.Optional(Type.Object({ ids: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 2 }) }, strict)),
      mode: Type.Optional(Type.String({ pattern: '^[rwx]+$' })),
      last: Type.Optional(Type.Union([Type.Null(), Type.Boolean()])),
    },
    strict,
  ),
);

test('parameters that fit have no problem', (t) => {
  t.is(check({ path: '/a' }), undefined);
  t.is(check({ path: '/a', count: 512, action: 'get', nested: { ids: [0, 1] }, mode: 'rw', last: null }), undefined);
});

const cases: [unknown, string][] = [
  [{}, 'fs.try: parameter "path" is missing; allowed: text of 1 to 20 characters'],
  [{ path: 5 }, 'fs.try: parameter "path": found 5, allowed: text of 1 to 20 characters'],
  [{ path: '' }, 'fs.try: parameter "path": found "", allowed: text of 1 to 20 characters'],
  [{ path: '/a', count: 0 }, 'fs.try: parameter "count": found 0, allowed: an integer from 1 to 512'],
  [{ path: '/a', count: 1.5 }, 'fs.try: parameter "count": found 1.5, allowed: an integer from 1 to 512'],
  [{ path: '/a', count: 2 ** 53 }, 'fs.try: parameter "count": found 9007199254740992, allowed: an integer from 1 to 512'],
  [{ path: '/a', count: '3' }, 'fs.try: parameter "count": found "3", allowed: an integer from 1 to 512'],
  [{ path: '/a', action: 'leave' }, 'fs.try: parameter "action": found "leave", allowed: "get" or "enter"'],
  [{ path: '/a', nested: { ids: [0, -1] } }, 'fs.try: parameter "nested.ids.1": found -1, allowed: an integer of at least 0'],
  [{ path: '/a', nested: { ids: [0, 1, 2] } }, 'fs.try: parameter "nested.ids": found [0,1,2], allowed: an array of at most 2 items'],
  [{ path: '/a', nested: { ids: [], extra: 1 } }, 'fs.try: unknown parameter "nested.extra"; allowed: ids'],
  [{ path: '/a', mode: 'q' }, 'fs.try: parameter "mode": found "q", allowed: text that matches ^[rwx]+$'],
  [{ path: '/a', last: 1 }, 'fs.try: parameter "last": found 1, allowed: null or a boolean'],
  [{ path: '/a', paht: 1 }, 'fs.try: unknown parameter "paht"; allowed: path, count, action, nested, mode, last'],
  [JSON.parse('{"path":"/a","__proto__":{"isAdmin":true}}'), 'fs.try: unknown parameter "__proto__"; allowed: path, count, action, nested, mode, last'],
  [JSON.parse('{"path":"/a","constructor":1}'), 'fs.try: unknown parameter "constructor"; allowed: path, count, action, nested, mode, last'],
  [['/a'], 'fs.try takes its parameters by name: {path, count, action, nested, mode, last}'],
  ['/a', 'fs.try: found "/a", allowed: an object of path, count, action, nested, mode, last'],
];
for (const [params, message] of cases) {
  test(`the problem is said in one line: ${message} (faults 57, 58)`, (t) => {
    t.is(check(params), message);
  });
}

test('what was found is cut short', (t) => {
  t.true(check({ path: 'x'.repeat(1_000_000) })!.length < 200);
});

test('every method of the client protocol compiles, and refuses an unknown parameter (fault 57)', (t) => {
  for (const [name, { params }] of Object.entries(clientProtocol)) {
    t.regex(createParameterCheck(name, params)({ nonsense: 1 })!, new RegExp(`^${name}: `));
  }
});
