import type { BridgeClock } from './bridge-types.js';

/** Waits so long, or until the signal comes. */
export function pauseUntil(clock: BridgeClock, pauseMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(pauseMs, end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
