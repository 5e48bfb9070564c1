import test from 'ava';
import fc from 'fast-check';
import type { CommandRegistry } from '../../../source/commands/command.js';
import { createHighlight } from '../../../source/shell/highlight.js';
import { findBinding, footerKeys, type Key, keyHelp, keyName, menuKeys, promptKeys, runningKeys, searchKeys } from '../../../source/shell/keys.js';
import { scriptLines } from '../../../source/shell/script-lines.js';
import { lineText } from '../../../source/shell/styled-line.js';

const entries = ['ls', 'put', 'pwd'].map((name) => ({ name, aliases: name === 'put' ? ['copyFromLocal'] : [], summary: '', group: 'Files' as const, load: () => Promise.reject(new Error('not loaded')) }));
const registry: CommandRegistry = { entries, find: (name) => entries.find((entry) => entry.name === name || entry.aliases.includes(name)), loadAll: async () => [] };
const highlight = createHighlight(registry);
const styles = (text: string) => highlight(text).filter(({ text: piece }) => piece.trim() !== '').map(({ text: piece, style }) => `${piece.trim()}:${style}`);

test('pieces add up to the line, whatever it is', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(' ', ';', '&', "'", '"', '\\', '#', 'ls', 'x', '-', '\n') })), (text) => lineText(highlight(text)) === text));
  t.pass();
});

test('commands are known by name, alias and dash, after each operator and after a pasted prefix', (t) => {
  t.deepEqual(styles('ls /a; nope x && -put y'), ['ls:bold', '/a:plain', ';:accent', 'nope:unknown', 'x:plain', '&&:accent', '-put:bold', 'y:plain']);
  t.deepEqual(styles('hdfs dfs -ls /'), ['hdfs dfs:plain', '-ls:bold', '/:plain']);
  t.deepEqual(styles('copyFromLocal "a b" # c'), ['copyFromLocal:bold', '"a b":quoted', '# c:dim']);
});

test('a word that some command begins with is not wrong yet while it is typed', (t) => {
  t.deepEqual(styles('pu'), ['pu:plain']);
  t.deepEqual(styles('pu '), ['pu:unknown']);
  t.deepEqual(styles('px'), ['px:unknown']);
});

test('a pasted text is cut into command lines at newlines that no quote holds', (t) => {
  t.deepEqual(scriptLines('ls /a\n\n  \necho "one\ntwo"\nput a \\\n  /b\nls'), ['ls /a', 'echo "one\ntwo"', 'put a   /b', 'ls']);
  t.deepEqual(scriptLines("ls 'open\nto the end"), ["ls 'open\nto the end"]);
});

const key = (parts: Partial<Key>): Key => ({ text: undefined, name: undefined, sequence: '', ctrl: false, meta: false, shift: false, ...parts });

test('keys have one name, as readline tells them', (t) => {
  t.is(keyName(key({ name: 'a', text: 'a' })), '');
  t.is(keyName(key({ name: 'a', ctrl: true })), 'ctrl-a');
  t.is(keyName(key({ name: 'escape', meta: true })), 'escape', 'a lone Esc comes with meta set');
  t.is(keyName(key({ name: 'tab', shift: true })), 'shift-tab');
  t.is(keyName(key({ name: 'right', meta: true })), 'alt-right');
  t.is(keyName(key({ sequence: '\u001f' })), 'ctrl-_');
  t.is(findBinding(promptKeys, key({ name: 'b', meta: true }))?.action, 'word-left');
});

test('no key means two things in one table, and what has a footer has a label', (t) => {
  for (const table of [promptKeys, menuKeys, searchKeys, runningKeys]) {
    const names = table.flatMap(({ keys }) => keys);
    t.is(new Set(names).size, names.length);
    for (const binding of table) t.true(!binding.footer || binding.label !== undefined, binding.action);
  }
});

test('the footer names only keys that do something now', (t) => {
  const footer = (situation: Partial<Parameters<typeof footerKeys>[1]>) => footerKeys(promptKeys, { isLineEmpty: false, hasSuggestion: false, hasHistory: false, ...situation }).map(({ label, text }) => `${label} ${text}`);
  t.deepEqual(footer({ isLineEmpty: true }), ['Tab complete', 'Ctrl-D leave', '? keys']);
  t.deepEqual(footer({ hasSuggestion: true, hasHistory: true }), ['Tab complete', '→ accept', 'Ctrl-R search']);
  t.deepEqual(keyHelp().filter(({ summary }) => /top|background/.test(summary)), []);
});
