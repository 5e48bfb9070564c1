import { execFile } from 'node:child_process';

const timeLimitMs = 5000;
const maxOutputBytes = 1024 * 1024;

/**
 * Runs a program without a shell, so that nothing in `parameters` means more than itself, and resolves to what it printed. Rejects, with
 * a few words, if it cannot be run, fails, prints too much, or is not done in time (it is killed then).
 */
export function runProgram(program: string, parameters: readonly string[], limitMs = timeLimitMs): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...parameters], { timeout: limitMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, encoding: 'utf8' }, (error, output) => {
      if (!error) resolve(output);
      else if (error.killed && error.signal === 'SIGKILL') reject(new Error(`it was not done after ${limitMs} ms`, { cause: error }));
      else if (typeof error.code === 'number') reject(new Error(`it ended with ${error.code}`, { cause: error }));
      else if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') reject(new Error(`it printed more than ${maxOutputBytes} bytes`, { cause: error }));
      else reject(new Error(`it cannot be run: ${error.code ?? error.message}`, { cause: error }));
    });
  });
}
