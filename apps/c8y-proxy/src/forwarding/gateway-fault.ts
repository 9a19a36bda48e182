/**
 * Why the proxy could not get an answer from the cloud. The code is stable: it is in the answer, in the log and in a
 * metric.
 */
export type GatewayReason =
  | 'connection-not-usable'
  | 'cloud-unreachable'
  | 'cloud-refused-tls'
  | 'connect-timeout'
  | 'response-timeout'
  | 'send-timeout'
  | 'connection-lost'
  | 'response-invalid'
  | 'response-too-large'
  | 'too-many-redirects'
  | 'token-unavailable'
  | 'token-invalid'
  | 'credentials-not-usable'
  | 'proxy-busy';

interface GatewayFaultOptions extends ErrorOptions {
  readonly status?: 502 | 503 | 504;
}

/** An answer that the proxy gives in place of the cloud. The message is for the caller; the cause is for the log. */
export class GatewayFault extends Error {
  override readonly name = 'GatewayFault';
  readonly status: 502 | 503 | 504;

  /** @param message what happened and what to do, with nothing internal in it */
  constructor(
    readonly reason: GatewayReason,
    message: string,
    { status = 502, ...options }: GatewayFaultOptions = {},
  ) {
    super(message, options);
    this.status = status;
  }
}
