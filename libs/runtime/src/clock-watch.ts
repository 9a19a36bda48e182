import type { Clock } from './clock.js';

export interface ClockWatchOptions {
  readonly clock: Clock;
  /** Called when the time of day has moved otherwise than time passes; by how much, in seconds, forward if positive. */
  readonly onJump: (seconds: number) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Calls back again and again, and never keeps the process alive; a timer of the machine when absent. */
  readonly every?: (intervalMs: number, look: () => void) => () => void;
}

const intervalMs = 15_000;
// A process that is busy or stopped looks late. A clock that is kept by NTP is corrected by less.
const toleranceMs = 60_000;

/**
 * Notices within 15 seconds that the clock was set, or that the machine slept. What was decided by the time before must
 * then be decided again: no timer of Node knows of it.
 */
export function watchClock({ clock, onJump, signal, every = everyOnTimer }: ClockWatchOptions): void {
  let lastMs = clock.now().getTime();
  const stop = every(intervalMs, () => {
    const nowMs = clock.now().getTime();
    const jumpMs = nowMs - lastMs - intervalMs;
    lastMs = nowMs;
    if (Math.abs(jumpMs) > toleranceMs) onJump(Math.round(jumpMs / 1000));
  });
  signal.addEventListener('abort', stop, { once: true });
}

function everyOnTimer(milliseconds: number, look: () => void): () => void {
  const timer = setInterval(look, milliseconds);
  timer.unref();
  return () => clearInterval(timer);
}
