const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// RFC 9110 §5.6.7: "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date
// formats."
const formats = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d{2}) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d{2}:\d{2}:\d{2}) GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d{2})-(?<month>[A-Z][a-z]{2})-(?<year>\d{2}) (?<time>\d{2}:\d{2}:\d{2}) GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d{2}:\d{2}:\d{2}) (?<year>\d{4})$/,
];

/**
 * Parses an HTTP-date.
 *
 * @returns whole seconds since 1970, UTC; undefined if it is not a date. The caller then ignores the condition.
 */
export function parseHttpDate(text: string, now: Date): number | undefined {
  for (const format of formats) {
    const fields = format.exec(text)?.groups;
    if (fields === undefined) continue;
    const { day = '', month = '', year = '', time = '' } = fields;
    const [hour = 0, minute = 0, second = 0] = time.split(':').map(Number);
    const monthIndex = months.indexOf(month);
    if (monthIndex < 0 || hour > 23 || minute > 59 || second > 60) return undefined;
    const date = new Date(Date.UTC(fullYear(year, now), monthIndex, Number(day)));
    // Date.UTC would turn 30 February into a day in March, so compare the day.
    if (date.getUTCMonth() !== monthIndex) return undefined;
    return date.getTime() / 1000 + (hour * 60 + minute) * 60 + second;
  }
  return undefined;
}

function fullYear(digits: string, now: Date): number {
  if (digits.length === 4) return Number(digits);
  const thisYear = now.getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(digits);
  // §5.6.7: a two-digit year that "appears to be more than 50 years in the future" means the past century.
  return year > thisYear + 50 ? year - 100 : year;
}
