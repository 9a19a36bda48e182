import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendAnswer } from '@sallyport/http';
import type { Problem } from '@sallyport/protocol';

/** What goes back to an EST client. */
export interface EstAnswer {
  readonly status: number;
  /** Names are spelled as in RFC 9110, because libest compares them with upper and lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Certificates of CAs, or of an enrolment; `body` is base64 of a PKCS#7 (RFC 7030 §4.1.3, §4.2.3). */
export function certificatesAnswer(body: string, notes: EstAnswer['headers'] = {}): EstAnswer {
  return success('application/pkcs7-mime; smime-type=certs-only', body, notes);
}

/** What a CSR should hold (RFC 7030 §4.5.2). */
export function attributesAnswer(body: string): EstAnswer {
  return success('application/csrattrs', body, {});
}

function success(contentType: string, body: string, notes: EstAnswer['headers']): EstAnswer {
  return {
    status: 200,
    headers: { 'Content-Type': contentType, 'Content-Transfer-Encoding': 'base64', ...notes },
    body,
  };
}

/**
 * One line of plain text (RFC 8951 §5), with the headers that the status needs. A 401 has no body, because Bouncy
 * Castle fails on one: it reads the body before it sends its credentials.
 */
export function problemAnswer(problem: Problem): EstAnswer {
  const { status, type, retryAfterSeconds } = problem;
  const waitSeconds = retryAfterSeconds ?? (status === 503 ? defaultRetryAfterSeconds : undefined);
  const { allow } = problem.extensions;
  // libest sends its first request without credentials and waits for this challenge.
  if (type === 'credentials-invalid') return { status, headers: { 'WWW-Authenticate': 'Basic realm="est"' }, body: '' };
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    ...(waitSeconds === undefined ? {} : { 'Retry-After': String(waitSeconds) }),
    ...(typeof allow === 'string' ? { Allow: allow } : {}),
  };
  return { status, headers, body: `${problem.message.replace(/\s+/g, ' ')}\n` };
}

const defaultRetryAfterSeconds = 30;

/** Sends it, unless the connection has broken. */
export function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: EstAnswer): void {
  if (response.headersSent || response.destroyed) return;
  // strongSwan needs a Content-Length, which `sendAnswer` always gives.
  sendAnswer(request, response, {
    status,
    headers: [...Object.entries(headers).flat(), 'Cache-Control', 'no-store'],
    body,
  });
}
