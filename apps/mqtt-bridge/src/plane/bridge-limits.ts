import type { BridgeLimits } from './bridge-types.js';

export const defaultLimits: BridgeLimits = {
  windowMessages: 4_096,
  unsentBytes: 1024 * 1024,
  heldBytes: 1024 * 1024,
  mostHeldBytes: 64 * 1024 * 1024,
  largestPacketBytes: 16 * 1024 * 1024,
  openDeadlineMs: 60_000,
  connackDeadlineMs: 20_000,
  subscribeDeadlineMs: 20_000,
  subscribeRounds: 3,
  oldestUnacknowledgedMs: 30_000,
  backOff: { firstMs: 5_000, longestMs: 600_000 },
  resetWindowMs: 300_000,
  echoMs: 100_000,
  drainMs: 5_000,
  localCheckMs: 60_000,
  egressConnections: 1,
};
