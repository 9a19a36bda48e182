import { within } from '@sallyport/concurrency';
import type { Log } from './log.js';

/** Something that was opened and has to be closed again. */
export interface Stoppable {
  /** A name that operators know. */
  readonly name: string;
  stop(): Promise<void>;
}

// After SIGTERM, the whole process has this long to stop. systemd kills it after 15 s (`TimeoutStopSec` of its units).
const defaultBudgetMs = 12_000;
// If one part used up all the time, each part after it still gets this long.
const lastChanceMs = 100;

/**
 * Stops the parts one after the other. If one fails, the next ones are stopped too: the store usually comes last.
 *
 * @param budgetMs for all together, in milliseconds, default 12 000; one that hangs must not keep the process alive
 * @throws the first fault, when all have had their turn; each is logged
 */
export async function stopInOrder(parts: readonly Stoppable[], log: Log, budgetMs = defaultBudgetMs): Promise<void> {
  const deadline = performance.now() + budgetMs;
  const faults: unknown[] = [];
  for (const { name, stop } of parts) {
    try {
      const budgetLeftMs = Math.max(lastChanceMs, deadline - performance.now());
      const late = () => new Error(`${name} did not stop within ${Math.round(budgetLeftMs)} ms`);
      await within(stop(), budgetLeftMs, { late });
    } catch (error) {
      log.error({ part: name, error }, 'a part did not stop in order');
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
}
