import type { AdminFault } from '@sallyport/admin-client';
import { Failure } from '../failure.js';
import { asUser, foreignOwner } from '../file-owner.js';

/** A service whose admin API does not answer. */
export class ServiceUnreachable extends Failure {
  constructor(
    what: string,
    remedy: string,
    /** Of the socket: ENOENT when there is none, ECONNREFUSED when its process is gone. */
    readonly code: string,
    options: ErrorOptions = {},
  ) {
    super(what, remedy, options);
  }

  /** The service does not run, as far as anybody can see. */
  get isAbsent(): boolean {
    return isAbsence(this.code);
  }
}

function isAbsence(code: string): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** What a fault of an admin API means for the person who typed a command, and what to do about it. */
export function failureOf(fault: AdminFault): Failure {
  switch (fault.kind) {
    case 'unreachable':
      return unreachable(fault);
    case 'not-understood':
      return new Failure(
        fault.message,
        'Program and services seem to be of different versions: build them again (npm run build) and restart the services.',
        { cause: fault },
      );
    case 'failed':
      return new Failure(fault.message, 'Look into its log.', { cause: fault });
    default:
      return fault.kind satisfies never;
  }
}

function unreachable(fault: AdminFault): ServiceUnreachable {
  const { what, remedy } = wordsFor(fault);
  return new ServiceUnreachable(what, remedy, fault.code, { cause: fault });
}

function wordsFor({ code, service, place, cause }: AdminFault) {
  if (code === 'EACCES') {
    const owner = foreignOwner(place);
    return {
      what: `Only the user who runs the service ${service} may use its admin API (${place}).`,
      remedy: `Run the command as that user: ${asUser(owner ?? 'USER')}`,
    };
  }
  if (isAbsence(code))
    return {
      what: `The service ${service} does not run: nothing listens at ${place}.`,
      remedy: 'Start the services (npm start), or name the configuration directory they use (--config-dir).',
    };
  return {
    what: `The service ${service} at ${place} did not answer: ${cause instanceof Error ? cause.message : String(cause)}.`,
    remedy: 'Look for the reason (sallyport doctor), and into its log.',
  };
}
