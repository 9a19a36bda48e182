// A running program whose output is watched.
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const failureShows = 4_000;

export class Program {
  #child;
  #ended;
  #wake = () => undefined;
  output = '';

  /**
   * @param child process, started with `detached` and pipes
   * @param report takes each line of its output
   */
  constructor(child, report) {
    this.#child = child;
    this.#ended = once(child, 'close');
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        this.output += `${line}\n`;
        report(line);
        this.#wake();
      });
  }

  /** Waits until a line of its output matches, and returns the match. */
  async says(pattern, deadlineMs) {
    const timeout = timer(deadlineMs);
    try {
      for (;;) {
        const match = pattern.exec(this.output);
        if (match !== null) return match;
        const outcome = await Promise.race([this.#nextLine(), this.#ended.then(() => 'ended'), timeout.expired]);
        if (outcome !== 'line' && pattern.exec(this.output) === null)
          this.#fail(`did not say ${pattern}: it ${outcome}`);
      }
    } finally {
      timeout.clear();
    }
  }

  /** Does what Ctrl-C in a terminal does. */
  interrupt() {
    process.kill(-this.#child.pid, 'SIGINT');
  }

  /** Waits for its end; returns the exit code, or the signal that ended it. */
  async end(deadlineMs) {
    const timeout = timer(deadlineMs);
    const outcome = await Promise.race([this.#ended, timeout.expired]);
    timeout.clear();
    if (outcome === 'took too long') this.#fail(`did not end within ${deadlineMs / 1000} s`);
    return outcome[0] ?? outcome[1];
  }

  #nextLine() {
    return new Promise((resolve) => {
      this.#wake = () => resolve('line');
    });
  }

  #fail(what) {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(-this.#child.pid, 'SIGKILL');
    throw new Error(`The program ${what}. Its last words:\n${this.output.slice(-failureShows)}`);
  }
}

function timer(deadlineMs) {
  let handle;
  const expired = new Promise((resolve) => {
    handle = setTimeout(resolve, deadlineMs, 'took too long');
  });
  return { expired, clear: () => clearTimeout(handle) };
}
