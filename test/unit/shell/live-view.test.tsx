import test from 'ava';
import { render } from 'ink-testing-library';
import { ManualClock } from '../../../source/base/clock.js';
import { unicodeGlyphs } from '../../../source/shell/glyphs.js';
import { editLine, emptyLine } from '../../../source/shell/line-editor.js';
import { LiveView } from '../../../source/shell/live-view.js';
import { createPaint } from '../../../source/shell/paint.js';
import { initialState } from '../../../source/shell/shell-state.js';
import { ShellStore } from '../../../source/shell/shell-store.js';
import { segment } from '../../../source/shell/styled-line.js';
import { fixtureHealth } from '../../helpers/fixture-cluster.js';

test('the view follows the store, row by row, and tells how tall it is', async (t) => {
  const clock = new ManualClock();
  const store = new ShellStore(initialState({ columns: 100, rows: 30, promptLabel: 'dfs:/', nameNodeAddress: 'x:1', hasPanel: true, nowMs: 0 }), clock);
  const heights: number[] = [];
  const view = render(<LiveView store={store} glyphs={unicodeGlyphs} paint={createPaint(0)} highlight={(text) => [segment(text)]} onFrame={(_, rowCount) => void heights.push(rowCount)} />);
  t.teardown(view.unmount);
  t.deepEqual(view.lastFrame()!.split('\n'), ['◐ connecting to the name node x:1', 'dfs:/>', ' Tab complete · Ctrl-D leave · ? keys']);
  store.dispatch({ type: 'health-came', health: fixtureHealth(), nowMs: 0 });
  store.dispatch({ type: 'edited', editor: editLine(emptyLine, { type: 'insert', text: 'ls' }) });
  // React draws in a task of its own.
  while (!view.lastFrame()!.includes('dfs:/> ls')) await new Promise((resolve) => setImmediate(resolve));
  t.is(view.lastFrame()!.split('\n').length, 5);
  t.regex(view.lastFrame()!, /^HEALTHY/);
  t.is(heights.at(-1), 5);
});
