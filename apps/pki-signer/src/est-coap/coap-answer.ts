import type { CoapResponse, ResponseCode } from '@sallyport/coap-wire';
import type { Problem } from '@sallyport/protocol';

/** RFC 9148 §4.5: the codes of CoAP for those of HTTP that EST names; 4.29 is of RFC 8516. */
const codes: ReadonlyMap<number, ResponseCode> = new Map([
  [400, '4.00'],
  [401, '4.01'],
  [403, '4.03'],
  [404, '4.04'],
  [405, '4.05'],
  [412, '4.12'],
  [413, '4.13'],
  [415, '4.15'],
  [429, '4.29'],
  [502, '5.02'],
  [503, '5.03'],
  [504, '5.04'],
]);

const defaultRetryAfterSeconds = 30;

/** What is wrong in one line of text (RFC 7252 §5.5.2). Max-Age says when to try again (RFC 9148 §4.7, RFC 8516 §3). */
export function problemResponse(problem: Problem): CoapResponse {
  const { status, retryAfterSeconds, message } = problem;
  const maxAge = retryAfterSeconds ?? (status === 503 ? defaultRetryAfterSeconds : undefined);
  return {
    code: codes.get(status) ?? '5.00',
    payload: Buffer.from(message.replace(/\s+/g, ' ')),
    ...(maxAge === undefined ? {} : { maxAge }),
  };
}
