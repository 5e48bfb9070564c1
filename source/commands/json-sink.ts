import type { OutputSink } from './command.js';
import { toJsonLine } from './json-line.js';
import { createTextSink, type TextSink, type TextSinkOptions } from './text-sink.js';

/** An object a line on stdout, and no text; errors are objects too, on stderr. */
export function createJsonSink(options: TextSinkOptions): TextSink {
  const lines = createTextSink(options);
  return { ...asJson(lines), flush: () => lines.flush() };
}

/** `sink` with `--json`: what a command records becomes its lines, what it says in text is dropped. */
export function asJson(sink: OutputSink): OutputSink {
  return {
    isJson: true,
    isProgressShown: sink.isProgressShown,
    out() {},
    err: (line) => sink.err(line),
    record: (record) => sink.out(toJsonLine(record)),
    write: (bytes) => sink.write(bytes),
    progress: (id, progress) => sink.progress(id, progress),
    notice() {},
    flush: () => sink.flush?.(),
    end: (id, outcome) => sink.end(id, outcome),
  };
}
