import { deviceStatusOf, Problem, type ProblemType, type RefusalReason, refusals } from '@sallyport/protocol';

const retryAfterSeconds = 30;

/** What a refused device is told; `reason` is the stable code. */
export function refusalProblem(reason: RefusalReason): Problem {
  const { meaning } = refusals[reason];
  const type = typeOf(deviceStatusOf(reason));
  const isPassing = type === 'rate-limited' || type === 'unavailable';
  return new Problem(type, meaning, { extensions: { reason }, ...(isPassing ? { retryAfterSeconds } : {}) });
}

function typeOf(status: number): ProblemType {
  switch (status) {
    case 401:
      return 'credentials-invalid';
    case 404:
      return 'not-found';
    case 409:
      return 'conflict';
    case 429:
      return 'rate-limited';
    case 503:
      return 'unavailable';
    default:
      return 'forbidden';
  }
}
