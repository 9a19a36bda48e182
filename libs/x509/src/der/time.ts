import { Problem } from '@sallyport/protocol';
import type { DerReader } from './reader.js';
import { tags } from './tags.js';
import { asciiString } from './writer.js';

const digits = /^\d+Z$/;

/**
 * Reads a Time (RFC 5280 §4.1.2.5): UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`, seconds present, no
 * fraction, no offset, and a moment that exists.
 */
export function readTime(reader: DerReader): Date {
  const isUtcTime = reader.nextTag === tags.utcTime;
  const text = reader.readContent(isUtcTime ? tags.utcTime : tags.generalizedTime).toString('latin1');
  if (text.length !== (isUtcTime ? 13 : 15) || !digits.test(text)) reader.fail('is not a time in UTC to the second');
  const full = isUtcTime ? `${utcTimeCentury(text)}${text}` : text;
  const iso = `${full.slice(0, 4)}-${full.slice(4, 6)}-${full.slice(6, 8)}T${full.slice(8, 10)}:${full.slice(10, 12)}:${full.slice(12, 14)}`;
  const time = new Date(`${iso}Z`);
  // Date rolls 31 February over, and takes 24:00:00; a certificate may not.
  if (Number.isNaN(time.getTime()) || time.toISOString().slice(0, 19) !== iso) reader.fail('is not a time that exists');
  return time;
}

/** RFC 5280 §4.1.2.5.1: 50 to 99 are the years 1950 to 1999. */
function utcTimeCentury(text: string): string {
  return text >= '5' ? '19' : '20';
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
  return year < 2050 ? asciiString(tags.utcTime, timeDigits(moment).slice(2)) : generalizedTime(moment);
}

/** GeneralizedTime whatever the year, where a standard has no choice. */
export function generalizedTime(moment: Date): Buffer {
  return asciiString(tags.generalizedTime, timeDigits(moment));
}

function timeDigits(moment: Date): string {
  const iso = moment.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}
