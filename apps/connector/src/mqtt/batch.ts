import { type ResourceAlias, resourceAlias } from '@sallyport/protocol';
import { z } from 'zod';

/** A value at the time at which the device took it. */
export interface BatchPoint {
  /** Microseconds since 1970. */
  readonly atMicros: number;
  readonly value: string;
}

/** A packet is read in one piece, so this bounds how long others wait. */
const mostPoints = 10_000;

const microsPerSecond = 1_000_000;

const batch = z.array(
  z.strictObject({
    timestamp: z.number().positive().max(Number.MAX_SAFE_INTEGER),
    values: z.record(resourceAlias, z.union([z.string(), z.number(), z.boolean()])),
  }),
);

/**
 * Reads the payload of `$resource.batch`: `[{"timestamp": 1700000000, "values": {"temperature": 21.5}}]`.
 *
 * Devices write the time in seconds, milliseconds or microseconds; which of them it is follows from the size. All three
 * are clear for every time from 1973 to 5138.
 *
 * @returns the points of each alias in the order of the payload; undefined when the payload is not of this form, or has
 *   more than 10 000 values
 */
export function parseBatch(payload: string): ReadonlyMap<ResourceAlias, readonly BatchPoint[]> | undefined {
  const parsed = batch.safeParse(jsonOf(payload));
  if (!parsed.success) return undefined;
  const pointsByAlias = new Map<ResourceAlias, BatchPoint[]>();
  let count = 0;
  for (const { timestamp, values } of parsed.data)
    for (const [name, value] of Object.entries(values)) {
      const alias = resourceAlias.parse(name);
      const points = pointsByAlias.get(alias) ?? [];
      points.push({ atMicros: microsOf(timestamp), value: String(value) });
      pointsByAlias.set(alias, points);
      count += 1;
    }
  return count > mostPoints ? undefined : pointsByAlias;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** 10^11 seconds are in the year 5138, 10^11 milliseconds in 1973; and so on. */
function microsOf(timestamp: number): number {
  if (timestamp < 1e11) return Math.round(timestamp * microsPerSecond);
  return Math.round(timestamp < 1e14 ? timestamp * 1_000 : timestamp);
}
