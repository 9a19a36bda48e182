import { randomUUID } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import type { Log } from '@sallyport/runtime';

/**
 * What an EST client is told of a fault. It gets a fault that it can act on; any other is logged, and the client gets
 * its correlation id. The operator has to mend what the client cannot: a key that does not open, a registry or store
 * that does not answer.
 */
export function toldProblem(error: unknown, log: Log): Problem {
  if (error instanceof Problem && error.status !== 500 && error.type !== 'conflict') {
    if (error.status > 500) log.warn({ error }, 'EST request could not be served');
    return error;
  }
  const correlationId = randomUUID();
  log.error({ error, correlationId }, 'EST request failed inside');
  return new Problem('internal', `Something failed inside. Correlation id ${correlationId}.`);
}
