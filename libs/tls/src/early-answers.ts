import { Problem, passingRefusals, type RefusalReason, refusals } from '@sallyport/protocol';

const answerByParserError: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', rawAnswer('431 Request Header Fields Too Large', 'The request headers are too large.')],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', rawAnswer('413 Content Too Large', 'The chunk extensions are too large.')],
  ['ERR_HTTP_REQUEST_TIMEOUT', rawAnswer('408 Request Timeout', 'The request did not come in time.')],
]);

const badRequest = rawAnswer('400 Bad Request', 'This is not a valid HTTP/1.1 request.');

/** The answer to bytes that are not HTTP, by Node's code for the error. */
export function answerToParserError(code: string): string {
  return answerByParserError.get(code) ?? badRequest;
}

/** A whole response as bytes, for a connection without a parsed request. */
export function rawAnswer(status: string, text: string): string {
  const body = `${text}\n`;
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}

const retryAfterSeconds = 30;

/** What a refused peer is told (RFC 9457); `reason` is the stable code. */
export function problemOf(reason: RefusalReason): Problem {
  const { meaning, remedy } = refusals[reason];
  const extensions = { reason };
  return passingRefusals.has(reason)
    ? new Problem('unavailable', `${meaning} Try again in ${retryAfterSeconds} seconds.`, {
        retryAfterSeconds,
        extensions,
      })
    : new Problem('forbidden', `${meaning} ${remedy}`, { extensions });
}
