import type { OperationOutcome, OperationProgress, OutputSink } from '../../source/commands/command.js';

/** Keeps what a command says, in order. */
export class RecorderSink implements OutputSink {
  readonly isJson: boolean;
  isProgressShown = false;
  readonly stdout: Buffer[] = [];
  readonly errors: string[] = [];
  readonly notices: string[] = [];
  readonly records: object[] = [];
  readonly progressed: { id: string; progress: OperationProgress }[] = [];
  readonly ended: { id: string; outcome: OperationOutcome }[] = [];

  constructor(options: { isJson?: boolean } = {}) {
    this.isJson = options.isJson ?? false;
  }

  out(line: string): void {
    this.stdout.push(Buffer.from(`${line}\n`));
  }

  err(line: string): void {
    this.errors.push(line);
  }

  notice(line: string): void {
    this.notices.push(line);
  }

  record(record: object): void {
    this.records.push(record);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.stdout.push(Buffer.from(bytes));
  }

  progress(id: string, progress: OperationProgress): void {
    this.progressed.push({ id, progress });
  }

  end(id: string, outcome: OperationOutcome | undefined): void {
    if (outcome) this.ended.push({ id, outcome });
  }

  /** All of stdout, lines and bytes, in the order of the calls. */
  get text(): string {
    return Buffer.concat(this.stdout).toString();
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}
