import type { OutputSink } from '../commands/command.js';
import { silentSink } from './ink-sink.js';

/** A sink that falls silent: a command that was left behind must not write between the lines of the next. */
export class DetachableSink implements OutputSink {
  #sink: OutputSink;

  constructor(sink: OutputSink) {
    this.#sink = sink;
  }

  detach(): void {
    this.#sink = silentSink;
  }

  get isJson(): boolean {
    return this.#sink.isJson;
  }

  get isProgressShown(): boolean | undefined {
    return this.#sink.isProgressShown;
  }

  get screen(): OutputSink['screen'] {
    return this.#sink.screen;
  }

  out(line: string): void {
    this.#sink.out(line);
  }

  err(line: string): void {
    this.#sink.err(line);
  }

  record(record: object): void {
    this.#sink.record(record);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#sink.write(bytes);
  }

  progress(...parameters: Parameters<OutputSink['progress']>): void {
    this.#sink.progress(...parameters);
  }

  end(...parameters: Parameters<OutputSink['end']>): void {
    this.#sink.end(...parameters);
  }
}
