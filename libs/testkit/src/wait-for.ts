const pollMs = 10;
// A shorter limit makes no test faster, and a busy machine may need the longer one.
const longestWaitMs = 20_000;

export interface WaitOptions {
  /** Milliseconds until the wait fails; default 20 000. */
  readonly deadlineMs?: number;
  /** What is waited for, in words, for the error. */
  readonly what?: string;
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/**
 * Waits until a condition gives something truthy, and returns that. A condition that throws counts as not yet.
 *
 * @throws Error saying what was waited for and, as its cause, what the condition threw last
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions = {}): Promise<Truthy<T>> {
  const { deadlineMs = longestWaitMs, what = 'the condition' } = options;
  const endsAt = performance.now() + deadlineMs;
  let last: unknown;
  do {
    try {
      const value = await condition();
      if (isTruthy(value)) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  } while (performance.now() < endsAt);
  throw new Error(`${what} did not come true within ${deadlineMs} ms`, { cause: last });
}

function isTruthy<T>(value: T): value is Truthy<T> {
  return Boolean(value);
}
