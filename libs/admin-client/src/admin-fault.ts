import type { ServiceName } from '@sallyport/protocol';

/** Why there is no answer. An error that the service reports is a `Problem` instead. */
export type AdminFaultKind =
  /** The service could not be reached, or did not answer in time. */
  | 'unreachable'
  /** Its answer breaks the contract; it may be of another version. */
  | 'not-understood'
  /** It failed without saying why. */
  | 'failed';

interface AdminFaultOptions extends ErrorOptions {
  readonly kind: AdminFaultKind;
  readonly service: ServiceName;
  /** Path of the socket, or origin of the URL. */
  readonly place: string;
  /** Of the socket: ENOENT when there is none, ECONNREFUSED when its process is gone; empty for anything else. */
  readonly code?: string;
}

/** An admin API that did not answer as agreed. */
export class AdminFault extends Error {
  override readonly name = 'AdminFault';
  readonly kind: AdminFaultKind;
  readonly service: ServiceName;
  readonly place: string;
  readonly code: string;

  constructor(message: string, { kind, service, place, code = '', ...options }: AdminFaultOptions) {
    super(message, options);
    this.kind = kind;
    this.service = service;
    this.place = place;
    this.code = code;
  }
}
