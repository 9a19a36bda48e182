import type { BridgeClock } from './bridge-types.js';

export const systemClock: BridgeClock = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
