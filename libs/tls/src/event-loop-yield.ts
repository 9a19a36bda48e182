import { setImmediate as nextTurn } from 'node:timers/promises';

/** Longest stretch of work between two turns of the event loop, in milliseconds. */
const longestStretchMs = 10;

/** Lets a long piece of work run beside everything else this process does. */
export class EventLoopYield {
  #since = performance.now();

  /** Gives the event loop a turn when work has gone on for long enough. */
  async yieldIfDue(): Promise<void> {
    if (performance.now() - this.#since < longestStretchMs) return;
    await nextTurn();
    this.#since = performance.now();
  }
}
