/** A time of the machines: ISO 8601 with milliseconds, in UTC. */
const machineTime = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/**
 * The text with its times as the user has them on the wall: `2026-12-01 15:05:30+0100`. The texts have the same length,
 * so columns stay aligned.
 *
 * @param zone name of the time zone (environment variable TZ); that of the system when absent or unknown
 */
export function withLocalTimes(text: string, zone: string | undefined): string {
  if (!text.includes('Z')) return text;
  const format = formatFor(zone);
  return text.replace(machineTime, (time) => localTime(format, new Date(time)) ?? time);
}

function formatFor(zone: string | undefined): Intl.DateTimeFormat {
  const parts = {
    ...({ year: 'numeric', month: '2-digit', day: '2-digit' } as const),
    ...({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const),
    timeZoneName: 'longOffset',
  } as const;
  try {
    return new Intl.DateTimeFormat('en-US', { ...parts, ...(zone === undefined ? {} : { timeZone: zone }) });
  } catch {
    // TZ may hold a form that only the C library knows. Node has read it for its own clock.
    return new Intl.DateTimeFormat('en-US', parts);
  }
}

function localTime(format: Intl.DateTimeFormat, time: Date): string | undefined {
  if (Number.isNaN(time.getTime())) return undefined;
  const part = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute, second, timeZoneName = '' } = part;
  // GMT, or GMT+01:00
  const offset = timeZoneName.replace('GMT', '').replace(':', '') || '+0000';
  return `${year}-${month}-${day} ${hour}:${minute}:${second}${offset}`;
}
