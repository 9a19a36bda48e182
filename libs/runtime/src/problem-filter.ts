import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { Problem, type ProblemType } from '@sallyport/protocol';
import type { FastifyReply } from 'fastify';
import { ZodError } from 'zod';
import { type Clock, SystemClock } from './clock.js';
import { InnerFaultLog } from './fault-log.js';
import type { Log } from './log.js';

/** The one place where errors of an HTTP API become `application/problem+json` (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly faults: InnerFaultLog;

  constructor(log: Log, clock: Clock = new SystemClock()) {
    this.faults = new InnerFaultLog(log, clock, 'request failed inside');
  }

  catch(fault: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = problemFrom(fault) ?? this.internal(fault);
    if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
    reply
      .status(problem.status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(problem));
  }

  private internal(error: unknown): Problem {
    const correlationId = this.faults.identify(error);
    return new Problem('internal', `Something failed inside. Look for correlation id ${correlationId} in the log.`);
  }
}

/** The Problem for an error that the caller can correct; undefined if the error is ours. */
function problemFrom(fault: unknown): Problem | undefined {
  if (fault instanceof Problem) return fault;
  if (fault instanceof ZodError) return new Problem('invalid-request', describeIssues(fault));
  if (fault instanceof HttpException) return fromStatus(fault.getStatus(), fault.message);
  // Fastify reports a body that it cannot read as an error with a `statusCode`.
  const status = fault instanceof Error && 'statusCode' in fault ? fault.statusCode : undefined;
  return typeof status === 'number' && status < 500 ? fromStatus(status, String(fault)) : undefined;
}

const typeByStatus: ReadonlyMap<number, ProblemType> = new Map([
  [401, 'credentials-invalid'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'method-not-allowed'],
  [413, 'too-large'],
  [415, 'unsupported-media-type'],
  [503, 'unavailable'],
]);

function fromStatus(status: number, detail: string): Problem | undefined {
  if (status >= 500 && status !== 503) return undefined;
  return new Problem(typeByStatus.get(status) ?? 'invalid-request', detail);
}

function describeIssues(error: ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ');
}
