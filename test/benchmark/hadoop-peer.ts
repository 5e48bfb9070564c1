import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cpuSecondsOf, type Sample } from './measure.js';

/**
 * A running HDFS to compare with, through the scripts of a folder named by DFSH_HADOOP_PEER: `bench` takes an operation a line
 * and prints what it took as JSON. HDFS must be up.
 */
export class HadoopPeer {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (answer: Record<string, number | string>) => void; reject: (error: Error) => void }[] = [];

  private constructor(folder: string) {
    this.#child = spawn(join(folder, 'bench'), { stdio: ['pipe', 'pipe', 'ignore'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line) as Record<string, number | string>));
    this.#child.on('close', () => this.#waiting.splice(0).forEach(({ reject }) => reject(new Error('the HDFS bench ended early'))));
  }

  /** Undefined, with a line on stderr that says why, where there is no HDFS. */
  static async open(environment: NodeJS.ProcessEnv): Promise<HadoopPeer | undefined> {
    const folder = environment['DFSH_HADOOP_PEER'];
    if (!folder || !existsSync(join(folder, 'bench'))) {
      process.stderr.write('no HDFS to compare with: DFSH_HADOOP_PEER names no folder with its scripts\n');
      return undefined;
    }
    const peer = new HadoopPeer(folder);
    try {
      await peer.ask('delete /benchmark');
      return peer;
    } catch (error) {
      process.stderr.write(`no HDFS to compare with: ${(error as Error).message}\n`);
      peer.close();
      return undefined;
    }
  }

  /** One operation; rejects with what HDFS says when it fails. */
  async ask(line: string): Promise<Record<string, number>> {
    const answer = await new Promise<Record<string, number | string>>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin!.write(`${line}\n`);
    });
    if (typeof answer['error'] === 'string') throw new Error(`HDFS: ${line}: ${answer['error']}`);
    return answer as Record<string, number>;
  }

  /** One operation with the CPU seconds of client, name node and data nodes together. */
  async sample(line: string): Promise<Sample> {
    const pids = this.#pids();
    const before = cpuSecondsOf(pids);
    const startMs = performance.now();
    const answer = await this.ask(line);
    const seconds = answer['seconds'] ?? (performance.now() - startMs) / 1000;
    const figures = Object.fromEntries(Object.entries(answer).filter(([name, value]) => name !== 'seconds' && typeof value === 'number'));
    return { seconds, cpuSeconds: cpuSecondsOf(pids) - before, figures };
  }

  close(): void {
    this.#child.stdin?.end();
  }

  #pids(): number[] {
    const folder = join(process.env['HADOOP_PEER'] ?? join(process.env['TMPDIR'] ?? tmpdir(), 'hadoop-peer'), 'run');
    const nodes = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.pid')).map((name) => Number(readFileSync(join(folder, name), 'utf8'))) : [];
    return [...nodes, this.#child.pid!];
  }
}
