import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { exceedsDepth, maxJsonDepth, parseJson } from '../../../source/transport/json-text.js';

/** Depth as JSON.parse finds it. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('the depth of any JSON is judged as parsing it would, quotes and backslashes in strings included', (t) => {
  const random = seededRandom(11);
  const texts = ['', '"', '\\', '\\"', '[[[[', ']]]', '{', '"]}"', 'x'.repeat(31), `${'x'.repeat(31)}"`, `${'\\'.repeat(33)}`, `${'y'.repeat(40)}\\`, `${'y'.repeat(40)}\\"[[[`, 'é"['];
  const make = (depth: number): unknown => {
    const text = texts[random.integer(texts.length)]!;
    if (depth === 0) return text;
    const children = Array.from({ length: 1 + random.integer(3) }, () => make(random.integer(depth)));
    return random.integer(2) ? [...children, make(depth - 1)] : { [text]: children[0], [`${text}2`]: make(depth - 1) };
  };
  for (let round = 0; round < 400; round++) {
    const value = make(random.integer(7));
    const bytes = Buffer.from(JSON.stringify(value));
    const depth = depthOf(value);
    if (depth > 0) t.true(exceedsDepth(bytes, depth - 1), bytes.toString());
    t.false(exceedsDepth(bytes, depth), bytes.toString());
    t.deepEqual(parseJson(bytes), value);
  }
});

test('ten megabytes of brackets are refused without being parsed (fault 59)', (t) => {
  const original = JSON.parse;
  let isParsed = false;
  JSON.parse = () => (isParsed = true);
  try {
    t.throws(() => parseJson(Buffer.alloc(10_000_000, '[')), { instanceOf: SyntaxError, message: /deeper than 64/ });
    t.throws(() => parseJson(Buffer.alloc(10_000_000, '{"a":')), { instanceOf: SyntaxError });
  } finally {
    JSON.parse = original;
  }
  t.false(isParsed);
  t.deepEqual(parseJson(Buffer.from('['.repeat(maxJsonDepth) + ']'.repeat(maxJsonDepth))), JSON.parse('['.repeat(maxJsonDepth) + ']'.repeat(maxJsonDepth)));
});

test('bytes that are no UTF-8 are refused instead of turned into other names (fault 57)', (t) => {
  t.throws(() => parseJson(Buffer.from([0x22, 0xff, 0x22])), { instanceOf: SyntaxError, message: /UTF-8/ });
  t.throws(() => parseJson(Buffer.from('{"a":')), { instanceOf: SyntaxError });
});
