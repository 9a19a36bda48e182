// A timer that fires this much too late: the process itself was held up.
const heldUpMs = 100;
// So often more time is given. Each is as long as the deadline at most.
const mostExtensions = 2;

export interface DeadlineOptions {
  /** Makes what the caller gets when the deadline passes first. */
  readonly late: () => Error;
  /** Ends the wait early: the caller gets the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `onLate` when the time is over. A process that is short of CPU finds timers due before it reads what has come in
 * meanwhile. So it gets the time by which it was held up once more, twice at most, and what came in time counts.
 *
 * @returns ends it
 */
export function startDeadline(deadlineMs: number, onLate: () => void): () => void {
  let timer: NodeJS.Timeout;
  let extensions = 0;
  const wait = (waitMs: number): void => {
    const dueAt = performance.now() + waitMs;
    timer = setTimeout(() => {
      const lateMs = performance.now() - dueAt;
      if (lateMs < heldUpMs || extensions === mostExtensions) return onLate();
      extensions += 1;
      wait(Math.min(lateMs, deadlineMs));
    }, waitMs);
  };
  wait(deadlineMs);
  return () => clearTimeout(timer);
}

/**
 * Waits for work until a deadline. The work itself is not stopped; what it comes to later is ignored.
 *
 * @param deadlineMs milliseconds from now; see `startDeadline`
 * @throws what the work throws, what `late` makes, or the reason of `signal`: whichever comes first
 */
export function within<Result>(
  work: Promise<Result>,
  deadlineMs: number,
  { late, signal }: DeadlineOptions,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => settle(() => reject(signal?.reason));
    const end = startDeadline(deadlineMs, () => settle(() => reject(late())));
    const settle = (outcome: () => void): void => {
      end();
      signal?.removeEventListener('abort', abort);
      outcome();
    };
    signal?.addEventListener('abort', abort);
    work.then(
      (result) => settle(() => resolve(result)),
      (error: unknown) => settle(() => reject(error)),
    );
    if (signal?.aborted === true) abort();
  });
}
