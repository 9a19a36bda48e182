import type { SeriesItem, Store } from '@sallyport/store';
import { seriesKey } from './device-states.js';
import { twinLimits } from './limits.js';
import { parseStoredWrite, pointFrom } from './stored-write.js';
import type { Alias, Micros, Point } from './values.js';

export interface HistoryOptions {
  /** Only values of this alias. */
  readonly alias?: Alias;
  /** From this time. */
  readonly fromMicros?: Micros;
  /** Up to and including this time. */
  readonly toMicros?: Micros;
  /** Default 100, at most 1000. */
  readonly limit?: number;
}

const itemsAtOnce = 200;

/**
 * Reads points, newest first, by the time of the point. An item of the series is never older than its points, but for the
 * allowed clock skew of devices. So the search goes from the newest item back, and ends when no older item can hold a
 * point that belongs to the answer.
 *
 * @param newestRecorded the id of the last item with points of the past: later items hold only points of their own time
 */
export async function readHistory(
  store: Store,
  { deviceId, newestRecorded }: { readonly deviceId: string; readonly newestRecorded: Micros },
  { alias, fromMicros = 0, toMicros = Number.MAX_SAFE_INTEGER, limit = 100 }: HistoryOptions,
): Promise<Point[]> {
  let found: Point[] = [];
  let before = Math.min(Math.max(toMicros, newestRecorded) + 1, Number.MAX_SAFE_INTEGER);
  for (;;) {
    const items = await store.range(seriesKey(deviceId), { before, newestFirst: true, limit: itemsAtOnce });
    const points = items.flatMap(pointsOf).filter((point) => alias === undefined || point.alias === alias);
    found = newest(
      [...found, ...points.filter(({ atMicros }) => atMicros >= fromMicros && atMicros <= toMicros)],
      limit,
    );
    before = items.at(-1)?.id ?? 0;
    const oldestWanted = found.length < limit ? fromMicros : (found.at(-1)?.atMicros ?? 0);
    if (items.length === 0 || before + twinLimits.clockSkewMicros < oldestWanted) return found;
  }
}

function pointsOf({ id, value }: SeriesItem): Point[] {
  const write = parseStoredWrite(value);
  if (write.kind !== 'reported' && write.kind !== 'recorded') return [];
  return write.values.map((stored) => pointFrom(stored, id));
}

function newest(points: readonly Point[], limit: number): Point[] {
  return points.toSorted((a, b) => b.atMicros - a.atMicros).slice(0, limit);
}
