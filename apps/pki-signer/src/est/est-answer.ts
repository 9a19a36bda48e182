import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '@sallyport/protocol';

/** What goes back to an EST client. */
export interface EstAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Certificates of CAs, or of an enrolment; `body` is base64 of a PKCS#7 (RFC 7030 §4.1.3, §4.2.3). */
export function certificatesAnswer(body: string): EstAnswer {
  return success('application/pkcs7-mime; smime-type=certs-only', body);
}

/** What a CSR should hold (RFC 7030 §4.5.2). */
export function attributesAnswer(body: string): EstAnswer {
  return success('application/csrattrs', body);
}

function success(contentType: string, body: string): EstAnswer {
  return { status: 200, headers: { 'content-type': contentType, 'content-transfer-encoding': 'base64' }, body };
}

/** One line of plain text (RFC 8951 §5), and the headers its status calls for. */
export function problemAnswer(problem: Problem): EstAnswer {
  const { status, type, retryAfterSeconds } = problem;
  const waitSeconds = retryAfterSeconds ?? (status === 503 ? defaultRetryAfterSeconds : undefined);
  const { allow } = problem.extensions;
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    ...(waitSeconds === undefined ? {} : { 'retry-after': String(waitSeconds) }),
    // libest sends its first request without credentials and waits for this challenge.
    ...(type === 'credentials-invalid' ? { 'www-authenticate': 'Basic realm="est"' } : {}),
    ...(typeof allow === 'string' ? { allow } : {}),
  };
  return { status, headers, body: `${problem.message.replace(/\s+/g, ' ')}\n` };
}

const defaultRetryAfterSeconds = 30;

/** Sends it, never chunked: strongSwan needs a Content-Length. */
export function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: EstAnswer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    // What is left of a body nobody reads would keep the connection busy.
    ...(request.complete || isWithoutBody(request) ? {} : { connection: 'close' }),
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
  });
  response.end(body);
}

// RFC 9112 §6.3: a request without these has no body.
function isWithoutBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
}
