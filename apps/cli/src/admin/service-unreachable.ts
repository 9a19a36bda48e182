import { Failure } from '../failure.js';

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
}
