import type { IncomingMessage, ServerResponse } from 'node:http';
import { discardBody } from './discard-body.js';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** Names and values by turns. Names are spelled as the standards do: some clients compare them case by case. */
  readonly headers?: readonly string[];
  /** Text is sent as UTF-8; no body when absent. */
  readonly body?: string | Buffer;
}

// An unread rest of this size is cheaper to take in than a new connection.
const cheapRestBytes = 64 * 1024;

// A peer that sends on without looking gets this much time and room to notice the answer, as RFC 9112 §9.6 advises.
const bounds = { bytes: 16 * 1024 * 1024, ms: 5_000 };

/**
 * Sends a whole answer with its length, never chunked, whether or not the body of the request has been read. What is left
 * of that body is thrown away; when it is long, the connection ends after it.
 */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, headers = [], body: content = '' } = answer;
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  // RFC 9110 §8.6: the length in a 304 would be that of the body it leaves out.
  const fields = [...headers, ...(status === 304 ? [] : ['Content-Length', String(body.length)])];
  if (isRestCheap(request)) {
    // Without a body, the head goes out by itself: an empty buffer would cost a gathered write.
    if (body.length > 0) response.writeHead(status, fields).end(body);
    else response.writeHead(status, fields).end();
    request.resume();
    return;
  }
  response.writeHead(status, [...fields, 'Connection', 'close']);
  if (body.length > 0) response.write(body);
  else response.flushHeaders();
  discardBody(request, bounds, () => response.end());
}

function isRestCheap(request: IncomingMessage): boolean {
  if (request.complete) return true;
  // The client may still wait to be asked for it, and then nobody knows whether it will send it.
  if (request.headers.expect !== undefined && request.readableFlowing === null) return false;
  const length = request.headers['content-length'];
  return length === undefined ? request.headers['transfer-encoding'] === undefined : Number(length) <= cheapRestBytes;
}
