import { setImmediate as nextTurn } from 'node:timers/promises';

/** Longest stretch of work between two turns of the event loop, in milliseconds. */
const longestStretchMs = 10;

/** For long work in pieces: keeps it from blocking the event loop. */
export class EventLoopYield {
  private since = performance.now();

  /** Lets the event loop run when the work has blocked it for long enough. */
  async yieldIfDue(): Promise<void> {
    if (performance.now() - this.since < longestStretchMs) return;
    await nextTurn();
    this.since = performance.now();
  }
}
