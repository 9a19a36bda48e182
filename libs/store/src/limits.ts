import { Problem } from '@sallyport/protocol';
import type { Condition, JsonValue, Operation, Page, RangeOptions } from './store.js';

const longestKeyBytes = 512;
const largestValueBytes = 1024 * 1024;
const defaultPageLimit = 100;
const largestPageLimit = 1000;
// Limits how long one transaction blocks the event loop (SQLite) or the server (Redis).
const mostOperations = 1000;

/** A page of a series ends after this many bytes of values. */
export const pageOfSeriesBytes = 1024 * 1024;

/** No key contains this code point. So `prefix + afterEveryKey` comes after every key with this prefix. */
export const afterEveryKey = '\u{10FFFF}';

/** Guards a key. @throws Problem `invalid-request` */
export function checkKey(key: string): void {
  checkCharacters(key, 'key');
  if (key.split('/').includes('')) throw invalid('key', key, 'has an empty segment');
}

/** Guards a prefix: empty, or the beginning of a key. @throws Problem `invalid-request` */
export function checkPrefix(prefix: string): void {
  checkCharacters(prefix, 'prefix');
  if (prefix.startsWith('/') || prefix.includes('//')) throw invalid('prefix', prefix, 'has an empty segment');
}

function checkCharacters(text: string, what: 'key' | 'prefix'): void {
  if (Buffer.byteLength(text) > longestKeyBytes)
    throw invalid(what, `${text.slice(0, 40)}…`, `is longer than ${longestKeyBytes} bytes`);
  if (!text.isWellFormed() || /[\p{Cc}\u{10FFFF}]/u.test(text))
    throw invalid(what, text, 'holds a control character or broken Unicode');
}

function invalid(what: string, text: string, fault: string): Problem {
  return new Problem('invalid-request', `The store ${what} ${JSON.stringify(text)} ${fault}.`);
}

/** The JSON text of a value. @throws Problem `too-large`: more than 1 MiB */
export function serialise(key: string, value: JsonValue): string {
  const text = JSON.stringify(value);
  const size = Buffer.byteLength(text);
  if (size > largestValueBytes)
    throw new Problem(
      'too-large',
      `The value of ${JSON.stringify(key)} has ${size} bytes of JSON; the store takes at most ${largestValueBytes}.`,
    );
  return text;
}

/** Parses what `serialise` wrote. */
export function deserialise(text: string): JsonValue {
  return JSON.parse(text);
}

/** Guards a lifetime. @throws Problem `invalid-request` */
export function checkLifetime(ttlSeconds: number | undefined): void {
  if (ttlSeconds === undefined || (Number.isFinite(ttlSeconds) && ttlSeconds > 0)) return;
  throw new Problem('invalid-request', `A lifetime of ${ttlSeconds} s is not possible; it is more than 0 seconds.`);
}

/** Guards a whole transaction. @throws Problem `invalid-request` */
export function checkTransaction(compares: readonly Condition[], operations: readonly Operation[]): void {
  if (compares.length + operations.length > mostOperations)
    throw new Problem(
      'invalid-request',
      `A transaction of ${compares.length + operations.length} conditions and changes is too large; the limit is ${mostOperations}.`,
    );
  for (const step of [...compares, ...operations]) checkKey(placeOf(step));
  for (const operation of operations) checkOperation(operation);
}

function checkOperation(operation: Operation): void {
  if ('put' in operation) checkLifetime(operation.ttlSeconds);
  if ('append' in operation) checkItemId('at', operation.at, 1);
  if (!('trim' in operation)) return;
  checkItemId('before', operation.before, 0);
  checkItemId('keep', operation.keep, 1);
}

function checkItemId(what: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  throw new Problem('invalid-request', `"${what}" of a series is a whole number from ${least}, not ${value}.`);
}

/** Whether a condition or a change is about a series. */
export function isOnSeries(step: Condition | Operation): boolean {
  return !('key' in step || 'put' in step || 'delete' in step);
}

/** The key or the series that a condition or a change is about. */
export function placeOf(step: Condition | Operation): string {
  if ('key' in step) return step.key;
  if ('series' in step) return step.series;
  if ('put' in step) return step.put;
  if ('delete' in step) return step.delete;
  if ('append' in step) return step.append;
  return 'trim' in step ? step.trim : step.drop;
}

/** A requested part of a series, with every bound. */
export interface SeriesRange {
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  readonly newestFirst: boolean;
}

/** Guards series and range. @throws Problem `invalid-request` */
export function seriesRange(series: string, options: RangeOptions): SeriesRange {
  const { after = 0, before = Number.MAX_SAFE_INTEGER, limit = defaultPageLimit, newestFirst = false } = options;
  checkKey(series);
  checkItemId('after', after, 0);
  checkItemId('before', before, 0);
  checkPageLimit(limit);
  return { after, before, limit, newestFirst };
}

function checkPageLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= largestPageLimit) return;
  throw new Problem('invalid-request', `A page of ${limit} entries is not possible; ask for 1 to ${largestPageLimit}.`);
}

/** A requested page, as the range of keys to read. */
export interface PageRange {
  /** The first possible key of the page. */
  readonly from: string;
  /** Comes after the last possible key. */
  readonly before: string;
  readonly limit: number;
}

/** Resolves prefix and cursor to a range. @throws Problem `invalid-request`: limit or cursor are not valid */
export function pageRange(prefix: string, { cursor, limit = defaultPageLimit }: Page): PageRange {
  checkPrefix(prefix);
  checkPageLimit(limit);
  const before = prefix + afterEveryKey;
  if (cursor === undefined) return { from: prefix, before, limit };
  const last = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!last.startsWith(prefix) || cursorAfter(last) !== cursor)
    throw new Problem('invalid-request', 'The cursor does not belong to this list. Start again without a cursor.');
  // Keys contain no control characters. So no key lies between a key and the same key followed by U+0001.
  return { from: `${last}\u0001`, before, limit };
}

/** The cursor of the page that follows a key. */
export function cursorAfter(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/** The problem for a caller whose condition did not hold. */
export function conflict(key: string, expectedRevision: number): Problem {
  const expectation = expectedRevision === 0 ? 'to be absent' : `at revision ${expectedRevision}`;
  return new Problem(
    'conflict',
    `${JSON.stringify(key)} is not as expected (${expectation}): it was changed meanwhile. Read it again and retry.`,
  );
}
