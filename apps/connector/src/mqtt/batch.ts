import { resourceAlias } from '@sallyport/protocol';
import { type Point, twinLimits } from '@sallyport/twin';
import { z } from 'zod';

// A packet is read in one piece. The twin bounds the values of a write; this bounds what is checked of a packet before it:
// a mebibyte can name 100 000 values, and to check each of them keeps all other devices waiting.
const mostEntries = 1_000;

const microsPerSecond = 1_000_000;

const batch = z
  .array(
    z.strictObject({
      timestamp: z.number().positive().max(Number.MAX_SAFE_INTEGER),
      values: z.record(resourceAlias, z.union([z.string(), z.number(), z.boolean()])),
    }),
  )
  .max(mostEntries);

/**
 * Reads the payload of `$resource.batch`: `[{"timestamp": 1700000000, "values": {"temperature": 21.5}}]`.
 *
 * Devices write the time in seconds, milliseconds or microseconds; which of them it is follows from the size. All three
 * are clear for every time from 1973 to 5138.
 *
 * @returns the values in the order of the payload; undefined when the payload is not of this form, or has more than 1000
 *   times or values
 */
export function parseBatch(payload: string): readonly Point[] | undefined {
  const json = jsonOf(payload);
  if (!isShort(json)) return undefined;
  const parsed = batch.safeParse(json);
  if (!parsed.success) return undefined;
  return parsed.data.flatMap(({ timestamp, values }) => {
    const atMicros = microsOf(timestamp);
    return Object.entries(values).map(([alias, value]) => ({ alias, value: String(value), atMicros }));
  });
}

/** Counts before anything is checked. A name that zod would leave out without a word is refused here. */
function isShort(json: unknown): boolean {
  let count = 0;
  for (const entry of Array.isArray(json) ? json.slice(0, mostEntries) : []) {
    const { values } = isObject(entry) && 'values' in entry ? entry : {};
    if (!isObject(values)) continue;
    if (Object.hasOwn(values, '__proto__')) return false;
    count += Object.keys(values).length;
    if (count > twinLimits.writePoints) return false;
  }
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
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
