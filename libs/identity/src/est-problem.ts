import { Problem, type ProblemType } from '@sallyport/protocol';
import type { HttpsAnswer } from './https-exchange.js';

interface Verdict {
  readonly type: ProblemType;
  readonly text: string;
}

const verdicts: Readonly<Record<number, Verdict>> = {
  202: { type: 'unavailable', text: 'has the request and has not decided yet; ask again with the same request' },
  400: { type: 'csr-rejected', text: 'rejected the certificate signing request' },
  401: {
    type: 'credentials-invalid',
    text: 'refused the credentials: the one-time token is wrong, spent or past its end, or the certificate does not count. Make a new token: sallyport device enroll-token DEVICE',
  },
  403: { type: 'csr-forbidden', text: 'does not allow this request' },
  404: { type: 'not-found', text: 'has no EST service at this address. Check the URL' },
  429: { type: 'rate-limited', text: 'gets too many requests; try again later' },
  503: { type: 'unavailable', text: 'is not ready; try again later' },
};

// What a server says beside its status is shown, but it is a stranger's text: one line, printable, short.
const longestRemark = 300;

/** The problem behind an EST answer that is not 200. */
export function answerProblem({ status, retryAfterSeconds, body }: HttpsAnswer, origin: string): Problem {
  const verdict = verdicts[status] ?? { type: 'unavailable', text: `answered with status ${status}` };
  const remark = printable(body);
  return new Problem(verdict.type, `${origin} ${verdict.text}${remark === '' ? '.' : ` (${remark}).`}`, {
    extensions: { serverStatus: status },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function printable(body: Buffer): string {
  const text = body
    .subarray(0, 4 * longestRemark)
    .toString('utf8')
    .replace(/\p{C}+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > longestRemark ? `${text.slice(0, longestRemark)}…` : text.replace(/\.$/, '');
}
