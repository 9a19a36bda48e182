import type { BridgeCounters } from './bridge-counters.js';
import type { BridgeClock, BridgeLimits, BridgeNotice } from './bridge-types.js';
import type { Forwarder } from './forwarder.js';

export interface WatchdogOptions {
  readonly forwarders: readonly Forwarder[];
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly counters: BridgeCounters;
  readonly onNotice: (notice: BridgeNotice) => void;
}

// Often enough that the limit is exceeded by little.
const looksOfLimit = 30;

/**
 * Ends a connection whose broker leaves a message unacknowledged although the link is up: without that it would stand
 * still for ever. The source then sends again what was not acknowledged.
 */
export class Watchdog {
  private cancel = (): void => undefined;

  constructor(private readonly options: WatchdogOptions) {}

  start(): void {
    const { clock, limits, forwarders } = this.options;
    this.cancel = clock.after(limits.oldestUnacknowledgedMs / looksOfLimit, () => {
      // First the next look, so that `stop`, which a stalled destination causes, cancels it.
      this.start();
      for (const forwarder of forwarders) this.look(forwarder);
    });
  }

  stop(): void {
    this.cancel();
  }

  private look(forwarder: Forwarder): void {
    const { limits, counters, onNotice } = this.options;
    const oldestUnacknowledgedMs = forwarder.stalledMs();
    if (oldestUnacknowledgedMs <= limits.oldestUnacknowledgedMs) return;
    const { direction } = forwarder;
    counters.stalls[direction] += 1;
    onNotice({ kind: 'destination-stalled', direction, oldestUnacknowledgedMs });
    forwarder.failDestinations(
      new Error(`The broker did not acknowledge a message for ${Math.round(oldestUnacknowledgedMs / 1000)} s.`),
    );
  }
}
