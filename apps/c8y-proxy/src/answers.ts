import type { ResponseWriter } from '@sallyport/http-wire';
import { Problem } from '@sallyport/protocol';
import type { GatewayFault } from './forwarding/gateway-fault.js';

// A cloud that is away, or a proxy that is busy, may be back by then.
const retryAfterSeconds = '5';

/** Answers with a problem (RFC 9457). Does nothing when the client has its answer already. */
export function answerProblem(response: ResponseWriter, problem: Problem, fields: readonly string[] = []): void {
  if (!response.isPending) return;
  const type = ['Content-Type', 'application/problem+json'];
  response.answer(problem.status, [...type, ...fields], JSON.stringify(problem));
}

/** Answers in place of the cloud. */
export function answerFault(response: ResponseWriter, fault: GatewayFault): void {
  const { reason, status, message } = fault;
  const type = status === 504 ? 'gateway-timeout' : status === 503 ? 'unavailable' : 'bad-gateway';
  const fields = status === 503 ? ['Retry-After', retryAfterSeconds] : [];
  answerProblem(response, new Problem(type, message, { extensions: { reason } }), fields);
}
