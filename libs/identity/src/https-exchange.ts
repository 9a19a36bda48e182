import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { lookupHost, Problem } from '@sallyport/protocol';
import { connectionProblem } from './connection-problem.js';

/** One HTTPS request on a connection of its own. */
export interface HttpsExchange {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly tls: {
    /** Trusted roots, in PEM. No other root is trusted. */
    readonly ca: readonly string[];
    /** False only if the answer is checked in another way, and nothing secret is sent. */
    readonly rejectUnauthorized: boolean;
    readonly cert?: string;
    readonly key?: string;
  };
  /** From the first packet to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  /** `Retry-After` in seconds from now, when the server sent one. */
  readonly retryAfterSeconds: number | undefined;
  readonly body: Buffer;
}

// A chain and its roots have a few KiB. No honest EST server sends nearly as much.
const largestAnswerBytes = 256 * 1024;
/**
 * Sends one request and reads its whole answer. Follows no redirect, resumes no TLS session.
 *
 * @throws Problem `certificate-rejected`: the server's certificate does not hold
 * @throws Problem `unavailable`: no connection, no answer in time
 * @throws Problem `too-large`: the answer is larger than 256 KiB
 * @throws the reason of `signal`, when the caller aborts
 */
export async function exchange(options: HttpsExchange): Promise<HttpsAnswer> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  try {
    const answer = await send(options, signal);
    const body = await readBounded(answer, signal);
    return { status: answer.statusCode ?? 0, retryAfterSeconds: retryAfter(answer), body };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof Problem) throw error;
    throw connectionProblem(error, options, deadline.aborted);
  }
}

function send({ url, method, headers, body, tls }: HttpsExchange, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      signal,
      // No pool: each request verifies the server again, and our server never accepts a resumed session.
      agent: false,
      lookup: lookupHost,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
      minVersion: 'TLSv1.2',
      ca: [...tls.ca],
      rejectUnauthorized: tls.rejectUnauthorized,
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    // After an answer that changes the protocol, the request ends without an error and ignores deadline and signal.
    outgoing.once('close', () => reject(new Error('it ended the request without an answer')));
    outgoing.end(body);
  });
}

async function readBounded(answer: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    signal.throwIfAborted();
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > largestAnswerBytes)
      throw new Problem(
        'too-large',
        `The server's answer is larger than ${largestAnswerBytes} bytes; it was not read to the end. Check the URL.`,
      );
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

/** RFC 9110 §10.2.3: a number of seconds, or a date. */
function retryAfter({ headers }: IncomingMessage): number | undefined {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}
