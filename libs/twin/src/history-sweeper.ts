import { pause } from '@sallyport/concurrency';
import type { Entry, Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { DeviceState } from './device-state.js';
import { seriesKey, stateKey } from './device-states.js';
import type { RetentionBounds } from './retention.js';
import { parseStoredWrite } from './stored-write.js';
import type { Micros } from './values.js';

const clockKey = 'retention';
const sweepEveryMs = 3_600_000;
const hoursOfOneSweep = 24;
const microsPerHour = 3_600_000_000;
// A state may have almost 1 MiB.
const statesAtOnce = 10;

const retentionClock = z.object({ atMicros: z.number() });

/** Removes history that is older than its bound, hour by hour. */
export class HistorySweeper {
  constructor(
    private readonly store: Store,
    private readonly options: { readonly bounds: RetentionBounds; readonly nowMicros: () => Micros },
  ) {}

  /** Sweeps once an hour until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // If it fails, the next hour tries again.
      await this.sweep(signal).catch(() => undefined);
      await pause(sweepEveryMs, { signal });
    }
  }

  async sweep(signal: AbortSignal): Promise<void> {
    const cutOff = (await this.advanceClock()) - this.options.bounds.days * 24 * microsPerHour;
    const prefix = stateKey('');
    for await (const entry of this.store.listAll(prefix, { pageSize: statesAtOnce })) {
      if (signal.aborted) return;
      await this.sweepDevice(entry.key.slice(prefix.length), entry, cutOff);
    }
  }

  /**
   * The time by which we delete. The time of day may be wrong by years and correct again a moment later, and a deletion
   * cannot be undone. So this time goes forward by one day in each sweep at most.
   */
  private async advanceClock(): Promise<Micros> {
    const stored = await this.store.get(clockKey);
    const now = this.options.nowMicros();
    const before = stored === undefined ? now : retentionClock.parse(stored.value).atMicros;
    const atMicros = Math.min(now, before + hoursOfOneSweep * microsPerHour);
    await this.store.put(clockKey, { atMicros });
    return atMicros;
  }

  private async sweepDevice(deviceId: string, { key, value, revision }: Entry, cutOff: Micros): Promise<void> {
    const state = DeviceState.fromSnapshot(value, this.options.bounds);
    if (!state.hasHistoryBefore(cutOff)) return;
    for (;;) {
      const items = await this.store.range(seriesKey(deviceId), { after: state.newest });
      if (items.length === 0) break;
      for (const { id, value: item } of items) state.apply(id, parseStoredWrite(item));
    }
    const changes = sweepOperations(deviceId, state, cutOff);
    if (changes.length === 0) return;
    // If the device has written meanwhile, the next hour tries again.
    await this.store.transaction(
      [
        { key, revision },
        { series: seriesKey(deviceId), newest: state.newest },
      ],
      changes,
    );
  }
}

function sweepOperations(deviceId: string, state: DeviceState, cutOff: Micros): Operation[] {
  const isOver = state.newest < cutOff;
  // Nothing is left of a forgotten device but the mark that it was forgotten.
  if (isOver && state.resources.size === 0) return [{ delete: stateKey(deviceId) }, { drop: seriesKey(deviceId) }];
  const first = isOver ? state.keepNewest() : state.trimHistory({ olderThan: cutOff });
  if (first === undefined) return [];
  return [
    { trim: seriesKey(deviceId), before: first },
    { put: stateKey(deviceId), value: state.takeSnapshot() },
  ];
}
