export interface DeadlineOptions {
  /** Makes what the caller gets when the deadline passes first. */
  readonly late: () => Error;
  /** Ends the wait early: the caller gets the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for work until a deadline. The work itself is not stopped; what it comes to later is ignored.
 *
 * @param deadlineMs milliseconds from now
 * @throws what the work throws, what `late` makes, or the reason of `signal`: whichever comes first
 */
export function within<Result>(
  work: Promise<Result>,
  deadlineMs: number,
  { late, signal }: DeadlineOptions,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => settle(() => reject(signal?.reason));
    const timer = setTimeout(() => settle(() => reject(late())), deadlineMs);
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
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
