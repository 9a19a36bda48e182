import { setTimeout as delay } from 'node:timers/promises';

export interface PauseOptions {
  /** Ends the pause early. The pause resolves then too: the caller looks at the signal next. */
  readonly signal?: AbortSignal;
  /** False when the timer must not keep the process alive; default true. */
  readonly ref?: boolean;
}

/** Waits so many milliseconds; never rejects. */
export async function pause(delayMs: number, options: PauseOptions = {}): Promise<void> {
  // Only an abort rejects.
  await delay(delayMs, undefined, options).catch(() => undefined);
}
