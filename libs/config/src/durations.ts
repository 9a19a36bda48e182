import { amountParsedBy, type ValueType } from './value-type.js';

const daySeconds = 86_400;

// The unit names of the Rust crate humantime, which thin-edge.io reads durations with.
// A month is 30.44 days and a year 365.25 days there, so a value means the same in both products.
const secondsByUnit = new Map<string, number>([
  ...named(0.001, 'msec', 'ms'),
  ...named(1, 'seconds', 'second', 'secs', 'sec', 's'),
  ...named(60, 'minutes', 'minute', 'mins', 'min', 'm'),
  ...named(3600, 'hours', 'hour', 'hrs', 'hr', 'h'),
  ...named(daySeconds, 'days', 'day', 'd'),
  ...named(7 * daySeconds, 'weeks', 'week', 'wks', 'wk', 'w'),
  ...named(30.44 * daySeconds, 'months', 'month', 'M'),
  ...named(365.25 * daySeconds, 'years', 'year', 'yrs', 'yr', 'y'),
]);

// Dates stay far inside what X.509 (year 9999) and JavaScript can express.
const longestSeconds = 1000 * 365.25 * daySeconds;

function named(seconds: number, ...units: string[]): [string, number][] {
  return units.map((unit) => [unit, seconds]);
}

/** Seconds in `90`, `60s`, `1h 30m` or `365d`; undefined when the text is no duration. */
function secondsIn(text: string): number | undefined {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  if (!/^(?:\d{1,12}\s*[A-Za-z]+\s*)+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit = ''] of text.matchAll(/(\d+)\s*([A-Za-z]+)/g)) {
    total += Number(count) * (secondsByUnit.get(unit) ?? Number.NaN);
  }
  return Number.isNaN(total) ? undefined : total;
}

function secondsFrom(stored: string | number, leastSeconds: number): number | undefined {
  // A bare number in TOML is a whole count of seconds, as in thin-edge.io.
  const seconds = typeof stored === 'string' ? secondsIn(stored) : Number.isInteger(stored) ? stored : undefined;
  return seconds !== undefined && seconds >= leastSeconds && seconds <= longestSeconds ? seconds : undefined;
}

/** A duration that may be zero; programs read seconds. */
export const duration = {
  ...amountParsedBy('SecondsOrHumanTime', 'seconds, or a time such as 60s, 1h 30m or 365d, at most 1000y', (stored) =>
    secondsFrom(stored, 0),
  ),
  unit: 'seconds',
} as const satisfies ValueType;

/** A duration of at least one second; programs read seconds. */
export const positiveDuration = {
  ...amountParsedBy('SecondsOrHumanTime', 'a time from 1s to 1000y, such as 60s, 1h 30m or 365d', (stored) =>
    secondsFrom(stored, 1),
  ),
  unit: 'seconds',
} as const satisfies ValueType;

// Certificates are dated back by 5 minutes, for clocks that are behind, and renewed from two thirds of their life on.
// One of 10 minutes is due 5 minutes after it was issued; one of 2 minutes would be due before.
const leastValiditySeconds = 600;

/** How long a certificate that renews itself lives; programs read seconds. */
export const certificateValidity = {
  ...amountParsedBy('SecondsOrHumanTime', 'a time from 10m to 1000y, such as 12h, 30d or 1y', (stored) =>
    secondsFrom(stored, leastValiditySeconds),
  ),
  unit: 'seconds',
} as const satisfies ValueType;

// Later, the inventory has forgotten the certificate.
const longestGraceSeconds = 90 * 86_400;

/** How long something may be late; programs read seconds. */
export const renewalGrace = {
  ...amountParsedBy('SecondsOrHumanTime', 'a time from 0s to 90d, such as 14d', (stored) => {
    const seconds = secondsFrom(stored, 0);
    return seconds !== undefined && seconds <= longestGraceSeconds ? seconds : undefined;
  }),
  unit: 'seconds',
} as const satisfies ValueType;
