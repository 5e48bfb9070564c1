import test from 'ava';
import fc from 'fast-check';
import { formatBar, formatBytes, formatClock, formatPercent, formatRate, formatShortRate, formatUsage } from '../../../source/shell/figures.js';
import { asciiGlyphs, unicodeGlyphs } from '../../../source/shell/glyphs.js';

test('sizes have three digits or so, and their unit', (t) => {
  t.deepEqual([0, 1, 1023, 1024, 612 * 1024 ** 2, 1024 ** 3, 2 * 1024 ** 4, 88_290_099].map(formatBytes), ['0 B', '1 B', '1023 B', '1.0 KiB', '612 MiB', '1.0 GiB', '2.0 TiB', '84.2 MiB']);
  t.is(formatRate(88_290_099), '84.2 MiB/s');
  t.deepEqual([12_345_678, 0, 999, 999_600].map(formatShortRate), ['12 MB/s', '0 B/s', '999 B/s', '1 MB/s']);
});

test('times are clocks', (t) => {
  t.deepEqual([0, 5000, 42_000, 760_000, 3_723_000].map(formatClock), ['0:00', '0:05', '0:42', '12:40', '1:02:03']);
});

test('nothing is at 100% before all is there', (t) => {
  t.is(formatPercent(0.9999), '99%');
  t.is(formatPercent(1), '100%');
  t.is(formatPercent(Number.NaN), '0%');
  t.deepEqual([0, 0.001, 0.01, 0.41].map(formatUsage), ['0%', '<1%', '1%', '41%']);
});

test('a bar is always as wide as asked, and full only at the end', (t) => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 60 }), fc.constantFrom(unicodeGlyphs, asciiGlyphs), (fraction, columns, glyphs) => {
      const { full, empty } = formatBar(fraction, columns, glyphs);
      return [...full].length + [...empty].length === columns && (fraction < 1) === !(full === glyphs.barFull.repeat(columns));
    }),
  );
  t.is(formatBar(0.59, 28, unicodeGlyphs).full, `${'█'.repeat(16)}▌`);
  t.deepEqual(formatBar(0.5, 4, asciiGlyphs), { full: '##', empty: '--' });
});
