import type { IncomingMessage } from 'node:http';
import type { Exchange } from './exchange.js';

export interface Answer {
  readonly status: number;
  /** Header names and values alternately, as `writeHead` takes them. */
  readonly headers?: readonly string[];
  /** Plain text; no body when absent. */
  readonly text?: string;
}

// Reading a rest of this size is cheaper than a new connection.
const cheapRestBytes = 64 * 1024;
// A peer that continues to send gets this much time and data to notice the answer, as RFC 9112 §9.6 recommends.
const lingerMs = 5_000;
const lingerBytes = 16 * 1024 * 1024;

/** Answers with a short text or without a body, also when the body of the request was not read. */
export function answer(exchange: Exchange, { status, headers = [], text }: Answer): void {
  const { req, res, routeHeaders } = exchange;
  const body = Buffer.from(text ?? '');
  const type = text === undefined ? [] : ['Content-Type', 'text/plain; charset=utf-8'];
  const length = status === 304 ? [] : ['Content-Length', String(body.length)];
  const fields = ['X-Content-Type-Options', 'nosniff', ...routeHeaders, ...type, ...length, ...headers];
  if (isRestCheap(req)) {
    // Without a body, send only the head. An empty buffer would make Node use writev.
    if (body.length > 0) res.writeHead(status, fields).end(body);
    else res.writeHead(status, fields).end();
    req.resume();
    return;
  }
  res.writeHead(status, [...fields, 'Connection', 'close']);
  if (body.length > 0) res.write(body);
  else res.flushHeaders();
  linger(exchange);
}

function isRestCheap(req: IncomingMessage): boolean {
  if (req.complete) return true;
  // The client may still wait for "100 Continue". Then we cannot know whether it will send the body.
  if (req.headers.expect !== undefined && req.readableFlowing === null) return false;
  const length = req.headers['content-length'];
  return length === undefined ? req.headers['transfer-encoding'] === undefined : Number(length) <= cheapRestBytes;
}

/** Reads and drops more data, up to a limit, before it ends the connection. A reset could arrive before the answer. */
function linger({ req, res }: Exchange): void {
  let roomBytes = lingerBytes;
  const finish = (): void => {
    clearTimeout(deadline);
    res.end();
  };
  const deadline = setTimeout(finish, lingerMs);
  req.on('data', (chunk: Buffer) => {
    roomBytes -= chunk.length;
    if (roomBytes < 0) finish();
  });
  req.once('end', finish);
  req.once('close', finish);
  req.resume();
}
