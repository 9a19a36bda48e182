import { carriageReturn, fieldBytes, lineFeed, skip } from './characters.js';
import { FramingError } from './faults.js';
import { contentLengthOf, type Framing, isOnlyChunked } from './framing.js';
import { type HeadFields, readFields } from './head-fields.js';

export interface ParsedResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: HeadFields;
  readonly contentLength: number | undefined;
  readonly framing: Framing;
  readonly isPersistent: boolean;
}

const statusLinePattern = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;

/**
 * Reads a response head that is there as a whole.
 *
 * @param end     behind the empty line
 * @param method  of the request: HEAD has no body in its response
 * @throws FramingError
 * @see RFC 9112 §4, §5, §6.3
 */
export function readResponseHead(
  bytes: Buffer,
  { end, mostFields, method }: { end: number; mostFields: number; method: string },
): ParsedResponseHead {
  const lineEnd = skip(fieldBytes, bytes, 0);
  if (bytes[lineEnd] !== carriageReturn || bytes[lineEnd + 1] !== lineFeed) throw malformedLine();
  const [, minor, statusText, reason = ''] = statusLinePattern.exec(bytes.toString('latin1', 0, lineEnd)) ?? [];
  if (statusText === undefined) throw malformedLine();
  const status = Number(statusText);
  const fields = readFields(bytes, { at: lineEnd + 2, end, most: mostFields });
  const contentLength = contentLengthOf(fields);
  const isNewer = minor === '1';
  return {
    status,
    reason,
    fields,
    contentLength,
    framing: framingOf(fields, { contentLength, hasBody: hasBody(method, status), isNewer }),
    isPersistent: isNewer ? !fields.connectionHas('close') : fields.connectionHas('keep-alive'),
  };
}

function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304;
}

interface FramingTerms {
  readonly contentLength: number | undefined;
  readonly hasBody: boolean;
  readonly isNewer: boolean;
}

/** @see RFC 9112 §6.3 */
function framingOf(fields: HeadFields, terms: FramingTerms): Framing {
  const hasCoding = fields.transferCodings > 0;
  // A response that says its length twice may be two responses to somebody else. A gateway answers 502 to it.
  if (hasCoding && terms.contentLength !== undefined)
    throw new FramingError('malformed', 'the response has both Content-Length and Transfer-Encoding');
  if (hasCoding && !terms.isNewer) throw new FramingError('malformed', 'HTTP/1.0 has no Transfer-Encoding');
  if (hasCoding && !isOnlyChunked(fields))
    throw new FramingError('malformed', 'the transfer coding of the response is not "chunked"');
  if (!terms.hasBody) return 0;
  if (hasCoding) return 'chunked';
  return terms.contentLength ?? 'until-close';
}

function malformedLine(): FramingError {
  return new FramingError('malformed', 'the status line is not that of HTTP/1.1');
}
