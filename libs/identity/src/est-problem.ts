import { blankUnprintable, Problem, type ProblemType } from '@sallyport/protocol';
import type { HttpsAnswer } from './https-exchange.js';

interface AnswerMeaning {
  readonly type: ProblemType;
  /** What the server did, as the end of a sentence. */
  readonly text: string;
  readonly remedy: string;
}

const newToken = 'Enrol with a new token; on the gateway: sallyport device enroll-token DEVICE';

/** The answer 401 to a request that shows a one-time token. */
const wrongToken: AnswerMeaning = {
  type: 'credentials-invalid',
  text: 'refused the one-time token: it is wrong, for another device, used up, or past its end',
  remedy: newToken,
};

const meanings: Readonly<Record<number, AnswerMeaning>> = {
  202: { type: 'unavailable', text: 'has not decided yet', remedy: 'Ask again with the same request.' },
  400: { type: 'csr-rejected', text: 'rejected the certificate signing request', remedy: 'Mend it and send it again.' },
  401: {
    type: 'credentials-invalid',
    text: 'refused the certificate',
    remedy: `A certificate can be renewed until it ends or is revoked. ${newToken}`,
  },
  403: { type: 'csr-forbidden', text: 'does not allow this request', remedy: 'Ask the operator of the server.' },
  404: { type: 'not-found', text: 'has no EST service at this address', remedy: 'Check the URL.' },
  429: { type: 'rate-limited', text: 'gets too many requests', remedy: 'Try again later.' },
  503: { type: 'unavailable', text: 'is not ready', remedy: 'Try again later.' },
};

// The text of a server is shown beside its status. It comes from a stranger: make it one line, printable and short.
const longestRemark = 300;

/** Whom an EST request was sent to, and whether it showed a one-time token. */
export interface Asked {
  readonly origin: string;
  readonly withToken: boolean;
}

/** The problem behind an EST answer that is not 200. */
export function answerProblem({ status, retryAfterSeconds, body }: HttpsAnswer, { origin, withToken }: Asked): Problem {
  const isWrongToken = status === 401 && withToken;
  const { type, text, remedy } = isWrongToken ? wrongToken : (meanings[status] ?? otherMeaning(status));
  const remark = oneLine(detailIn(body) ?? textOf(body));
  const detail = `${origin} ${text}${remark === '' ? '' : ` (${remark})`}. ${remedy}`;
  return new Problem(type, detail, {
    extensions: { serverStatus: status },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function otherMeaning(status: number): AnswerMeaning {
  return {
    type: 'unavailable',
    text: `answered with status ${status}`,
    remedy: 'Check the URL and the log of the server.',
  };
}

function textOf(body: Buffer): string {
  return body.subarray(0, 4 * longestRemark).toString('utf8');
}

/** The text of a problem in JSON (RFC 9457); undefined for any other body. */
function detailIn(body: Buffer): string | undefined {
  try {
    const problem: unknown = JSON.parse(body.toString('utf8'));
    const isProblem = typeof problem === 'object' && problem !== null && 'detail' in problem;
    return isProblem && typeof problem.detail === 'string' ? problem.detail : undefined;
  } catch {
    // Not JSON: plain text, as EST servers send it.
    return undefined;
  }
}

function oneLine(remark: string): string {
  const text = blankUnprintable(remark.slice(0, 4 * longestRemark))
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > longestRemark ? `${text.slice(0, longestRemark)}…` : text.replace(/\.$/, '');
}
