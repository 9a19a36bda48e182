import { Problem } from '@sallyport/protocol';
import type { DerReader } from './reader.js';
import { tags } from './tags.js';
import { asciiString } from './writer.js';

/**
 * Reads a Time (RFC 5280 §4.1.2.5): UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`, seconds present, no
 * fraction, no offset, and a date that exists.
 */
export function readTime(reader: DerReader): Date {
  const isUtcTime = reader.nextTag === tags.utcTime;
  const content = reader.readContent(isUtcTime ? tags.utcTime : tags.generalizedTime);
  const afterYear = isUtcTime ? 2 : 4;
  if (content.length !== afterYear + 11 || content[afterYear + 10] !== zulu) refuseTime(reader);
  const lowYear = pairAt(content, afterYear - 2, reader);
  const year = isUtcTime ? fullYear(lowYear) : 100 * pairAt(content, 0, reader) + lowYear;
  const month = pairAt(content, afterYear, reader);
  const day = pairAt(content, afterYear + 2, reader);
  const hour = pairAt(content, afterYear + 4, reader);
  const minute = pairAt(content, afterYear + 6, reader);
  const second = pairAt(content, afterYear + 8, reader);
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date accepts 31 February as a day in March, and reads year 24 as 1924. In a certificate both are errors.
  const isOnCalendar = time.getUTCFullYear() === year && time.getUTCMonth() === month - 1 && time.getUTCDate() === day;
  return isOnCalendar && minute < 60 && second < 60
    ? time
    : reader.refuse('is not a time that exists', 'with a date and a time of day that exist');
}

const zulu = 0x5a;

/** The value of two decimal digits. */
function pairAt(content: Buffer, offset: number, reader: DerReader): number {
  const tens = (content[offset] ?? 0) - 0x30;
  const ones = (content[offset + 1] ?? 0) - 0x30;
  const isPair = tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
  return isPair ? 10 * tens + ones : refuseTime(reader);
}

function refuseTime(reader: DerReader): never {
  return reader.refuse('is not a time in UTC to the second', 'with times as RFC 5280 section 4.1.2.5 writes them');
}

/** RFC 5280 §4.1.2.5.1: 50 to 99 are the years 1950 to 1999. */
function fullYear(yearOfCentury: number): number {
  return yearOfCentury + (yearOfCentury >= 50 ? 1900 : 2000);
}

/**
 * Writes a Time to the second: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5).
 *
 * @throws Problem `invalid-request`: before 1950 or after 9999.
 */
export function time(moment: Date): Buffer {
  const year = moment.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999))
    throw new Problem('invalid-request', `The year ${year} cannot stand in a certificate: use 1950 to 9999.`);
  const iso = moment.toISOString();
  const clock = `${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
  return year < 2050
    ? asciiString(tags.utcTime, iso.slice(2, 4) + clock)
    : asciiString(tags.generalizedTime, iso.slice(0, 4) + clock);
}
