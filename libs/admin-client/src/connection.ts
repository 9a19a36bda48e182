import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { type AdminRoute, lookupHost } from '@sallyport/protocol';

/** How to reach an admin API: a Unix socket, or a URL with an administrator's certificate. */
export type AdminPlace =
  | { readonly socketPath: string }
  | { readonly url: URL; readonly ca: string; readonly cert: string; readonly key: string };

export interface AdminRequest {
  readonly method: AdminRoute['method'];
  /** With its query: `/v1/devices?limit=100`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

// A page of a thousand certificates takes about 700 KiB.
const largestAnswerBytes = 16 * 1024 * 1024;

/** Sends one request and reads its whole answer; fails with the error of the socket, or of the signal. */
export async function exchange(place: AdminPlace, request: AdminRequest): Promise<AdminAnswer> {
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const signal = request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]);
  const answer = await send(place, request, signal);
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: await readText(answer) };
}

function send(place: AdminPlace, request: AdminRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, path, body } = request;
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const type =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const headers = { ...request.headers, ...type };
    const options = { method, path, headers, signal, agent: false } as const;
    const outgoing = open(place, options);
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

function open(place: AdminPlace, options: RequestOptions) {
  if ('socketPath' in place) return requestPlain({ ...options, socketPath: place.socketPath });
  const { url, ca, cert, key } = place;
  return requestTls({
    ...options,
    lookup: lookupHost,
    // In a URL, an IPv6 address is in brackets. The address itself has none.
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port || 443,
    ca: [ca],
    cert,
    key,
    rejectUnauthorized: true,
  });
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > largestAnswerBytes) throw new Error(`the answer is larger than ${largestAnswerBytes} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString('utf8');
}
