import type { IncomingHttpHeaders } from 'node:http';
import { entityTagsIn, namesEntityTag, type TagComparison } from '@sallyport/http';
import { Problem } from '@sallyport/protocol';
import type { VersionCheck } from '../file-storage/file-storage.js';
import type { FileVersion } from '../file-storage/file-version.js';
import { type FileExchange } from './answer.js';
import { parseHttpDate } from './http-date.js';

/** The result of the conditional headers of a request. */
export type PreconditionResult = 'proceed' | 'not-modified' | 'failed';

/** True when a change has a condition that depends on the present version of the file. */
function hasPreconditions(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  );
}

/**
 * Evaluates the preconditions of a request that would otherwise succeed, in the order of RFC 9110 §13.2.2.
 *
 * @param current the present version of the file; undefined when there is none
 */
export function judgePreconditions(
  headers: IncomingHttpHeaders,
  { current, isRead, now }: { current: FileVersion | undefined; isRead: boolean; now: Date },
): PreconditionResult {
  if (!holdsIfMatch(headers, current, now)) return 'failed';
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    if (!namesVersion(noneMatch, current, isRead)) return 'proceed';
    return isRead ? 'not-modified' : 'failed';
  }
  return isRead && current !== undefined && isUnchangedSince(headers, current, now) ? 'not-modified' : 'proceed';
}

/**
 * Whether a `Range` may be used together with an `If-Range` (RFC 9110 §13.1.5).
 *
 * A date never matches. It is a strong validator only if the server knows that the file did not change twice within
 * that second (§8.8.2.2), and we do not know this. The client then gets the whole file, which is always correct.
 */
export function permitsRange(headers: IncomingHttpHeaders, current: FileVersion): boolean {
  const ifRange = headers['if-range'];
  return ifRange === undefined || ifRange === current.entityTag;
}

/** The check for the conditional headers of a change; undefined when it has none. */
export function versionCheck({ req, path }: FileExchange, nowMs: () => number): VersionCheck | undefined {
  if (!hasPreconditions(req.headers)) return undefined;
  return (current) => {
    const result = judgePreconditions(req.headers, { current, isRead: false, now: new Date(nowMs()) });
    if (result === 'failed') throw preconditionFailed(path.text);
  };
}

/** The file is not in the state that the request requires. */
export function preconditionFailed(text: string): Problem {
  return new Problem(
    'precondition-failed',
    `${JSON.stringify(text)} is not in the state that If-Match, If-None-Match or If-Unmodified-Since asks for.`,
  );
}

function holdsIfMatch(headers: IncomingHttpHeaders, current: FileVersion | undefined, now: Date): boolean {
  const match = headers['if-match'];
  // §13.1.1: strong comparison. Our tags are strong, so a weak tag never equals them.
  if (match !== undefined) return match.trim() === '*' ? current !== undefined : hasTag(match, current, 'strong');
  const limit = parseHttpDate(headers['if-unmodified-since'] ?? '', now);
  return limit === undefined || current === undefined || Math.floor(current.modifiedAtMs / 1000) <= limit;
}

function namesVersion(list: string, current: FileVersion | undefined, isRead: boolean): boolean {
  if (list.trim() === '*') return current !== undefined;
  // If the condition of a write cannot be parsed, it counts as not met. Overwriting could lose what it protects.
  if (!isRead && entityTagsIn(list).length === 0) return true;
  // §13.1.2: weak comparison.
  return hasTag(list, current, 'weak');
}

function hasTag(list: string, current: FileVersion | undefined, comparison: TagComparison): boolean {
  return current !== undefined && namesEntityTag(list, current.entityTag, comparison);
}

function isUnchangedSince(headers: IncomingHttpHeaders, current: FileVersion, now: Date): boolean {
  const since = parseHttpDate(headers['if-modified-since'] ?? '', now);
  return since !== undefined && Math.floor(current.modifiedAtMs / 1000) <= since;
}
