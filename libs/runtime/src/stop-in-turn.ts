import { within } from '@sallyport/concurrency';
import type { Log } from './log.js';

/** Something that was opened and has to be closed again. */
export interface Stoppable {
  /** What the operator knows it by. */
  readonly name: string;
  stop(): Promise<void>;
}

// After SIGTERM, the whole process has this long to stop. systemd kills it after 15 s (`TimeoutStopSec` of its units).
const defaultBudgetMs = 12_000;
// What comes after one that used up the time is closed all the same, and closes within this or not at all.
const lastChanceMs = 100;

/**
 * Stops one after the other, each of them, whether or not those before it could be stopped: what keeps its data until the
 * end usually comes last.
 *
 * @param budgetMs for all together, in milliseconds, default 12 000; one that hangs must not keep the process alive
 * @throws the first fault, when all have had their turn; each is logged
 */
export async function stopInTurn(parts: readonly Stoppable[], log: Log, budgetMs = defaultBudgetMs): Promise<void> {
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
