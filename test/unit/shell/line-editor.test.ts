import test from 'ava';
import fc from 'fast-check';
import { graphemeBoundaries, graphemes } from '../../../source/shell/graphemes.js';
import { type EditName, editLine, emptyLine, type LineEdit, type LineEditorState } from '../../../source/shell/line-editor.js';

const line = (text: string, cursor = text.length): LineEditorState => ({ ...emptyLine, text, cursor });
const apply = (state: LineEditorState, ...edits: (EditName | LineEdit)[]) =>
  edits.reduce((current, edit) => editLine(current, typeof edit === 'string' ? { type: edit } : edit), state);

const names: EditName[] = [
  'left', 'right', 'word-left', 'word-right', 'home', 'end', 'line-up', 'line-down', 'backspace', 'delete', 'kill-to-end', 'kill-to-start',
  'kill-word-left', 'kill-blank-word-left', 'kill-word-right', 'yank', 'yank-older', 'transpose', 'undo',
];
const texts = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constantFrom('e\u0301', '\u0301', '👨‍👩‍👧', '🇨🇭', ' ', '\n', 'a/b c', '\ud800'));
const edits: fc.Arbitrary<LineEdit> = fc.oneof(
  fc.constantFrom(...names).map((type): LineEdit => ({ type })),
  texts.map((text): LineEdit => ({ type: 'insert', text })),
);

test('the cursor stands between two graphemes, and the text stays well-formed, whatever is typed', (t) => {
  fc.assert(
    fc.property(fc.array(edits, { maxLength: 40 }), (sequence) => {
      let state = emptyLine;
      for (const edit of sequence) {
        state = editLine(state, edit);
        if (!graphemeBoundaries(state.text).includes(state.cursor)) return false;
        if (!state.text.isWellFormed()) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('undo, as often as it goes, comes back to the empty line', (t) => {
  fc.assert(
    fc.property(fc.array(edits, { maxLength: 40 }), (sequence) => {
      let state = sequence.filter(({ type }) => type !== 'undo').reduce(editLine, emptyLine);
      while (state.undo.length > 0) state = editLine(state, { type: 'undo' });
      return state.text === '';
    }),
  );
  t.pass();
});

test('what a kill takes, a yank gives back where it was', (t) => {
  const kills = fc.constantFrom<EditName>('kill-to-end', 'kill-to-start', 'kill-word-left', 'kill-word-right', 'kill-blank-word-left');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(), kills, (typed, at, kill) => {
      const text = editLine(emptyLine, { type: 'insert', text: typed }).text;
      const boundaries = graphemeBoundaries(text);
      const before = line(text, boundaries[at % boundaries.length]!);
      const killed = apply(before, kill);
      return killed.kills.length === 0 || apply(killed, 'yank').text === text;
    }),
  );
  t.pass();
});

test('a family, a flag and an accented letter are one step each', (t) => {
  const text = 'a👨‍👩‍👧🇨🇭e\u0301';
  t.is(graphemes(text).length, 4);
  t.is(apply(line(text), 'backspace').text, 'a👨‍👩‍👧🇨🇭');
  t.is(apply(line(text), 'backspace', 'backspace', 'backspace').text, 'a');
  t.is(apply(line(text), 'left', 'left', 'left').cursor, 1);
});

test('an accent typed after its letter joins it', (t) => {
  const state = apply(emptyLine, { type: 'insert', text: 'e' }, { type: 'insert', text: '\u0301' });
  t.is(state.text, 'e\u0301');
  t.is(apply(state, 'backspace').text, '');
});

test('word moves stop at letters and digits, Ctrl-W takes up to a blank', (t) => {
  const text = 'put /user/me/my-file.txt';
  t.is(apply(line(text), 'word-left').cursor, text.indexOf('txt'));
  t.is(apply(line(text), 'kill-word-left').text, 'put /user/me/my-file.');
  t.is(apply(line(text), 'kill-blank-word-left').text, 'put ');
  t.is(apply(line(text, 0), 'word-right').cursor, 3);
});

test('kills in a row join in the order of the text, and Alt-Y brings an older one', (t) => {
  const killed = apply(line('one two three'), 'kill-word-left', 'kill-word-left');
  t.is(killed.text, 'one ');
  t.is(killed.kills[0], 'two three');
  const twice = apply(killed, 'home', 'kill-to-end', 'yank');
  t.is(twice.text, 'one ');
  t.is(apply(twice, 'yank-older').text, 'two three');
  t.is(apply(twice, 'left', 'yank-older').text, 'one ', 'Alt-Y acts only right after a yank');
});

test('transpose swaps the letters around the cursor, at the end the last two', (t) => {
  t.is(apply(line('sl'), 'transpose').text, 'ls');
  t.is(apply(line('abc', 1), 'transpose').text, 'bac');
  t.is(apply(line('a', 0), 'transpose').text, 'a');
});

test('a pasted text keeps its newlines, and Home, End and the arrows work on its lines', (t) => {
  const state = apply(emptyLine, { type: 'insert', text: 'ls /a\r\nls /bcd' });
  t.is(state.text, 'ls /a\nls /bcd');
  t.is(apply(state, 'home').cursor, 6);
  t.is(apply(state, 'line-up').cursor, 5, 'the line above is shorter');
  t.is(apply(state, 'home', 'line-up', 'end').cursor, 5);
  t.is(apply(state, 'line-up', 'line-down').cursor, 11);
  t.is(apply(state, 'line-up', 'home', 'kill-to-end', 'kill-to-end').text, 'ls /bcd');
});

test('control characters and escape sequences do not get into the line', (t) => {
  t.is(apply(emptyLine, { type: 'insert', text: 'a\u001b[31mb\tc\u0000\u009b' }).text, 'a[31mb c');
});

test('a line is at most 65,536 characters long', (t) => {
  t.is(apply(emptyLine, { type: 'insert', text: 'x'.repeat(100_000) }, { type: 'insert', text: 'y' }).text, 'x'.repeat(65_536));
});

test('letters typed in a row are undone a word at a time', (t) => {
  let state = emptyLine;
  for (const text of 'ls /tmp') state = editLine(state, { type: 'insert', text });
  t.is(apply(state, 'undo').text, 'ls ');
  t.is(apply(state, 'undo', 'undo').text, '');
});
