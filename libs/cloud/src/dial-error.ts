import type { HostAndPort } from './cloud-connection.js';

/** How far a dial came before it failed. */
export type DialStage = 'proxy' | 'connect' | 'handshake';

export interface DialFailure extends ErrorOptions {
  readonly stage: DialStage;
  /** What was dialled; at stage `proxy` the proxy itself. */
  readonly place: HostAndPort;
  /** True when a deadline passed. */
  readonly isTimeout?: boolean;
  /** HTTP status with which the proxy refused the tunnel. */
  readonly proxyStatus?: number;
}

/** A cloud that could not be reached. `explainCloudFault` says in words why, and what to do. */
export class CloudDialError extends Error {
  override readonly name = 'CloudDialError';
  readonly stage: DialStage;
  readonly place: HostAndPort;
  readonly isTimeout: boolean;
  readonly proxyStatus: number | undefined;

  constructor(message: string, { stage, place, isTimeout = false, proxyStatus, cause }: DialFailure) {
    super(message, cause === undefined ? {} : { cause });
    this.stage = stage;
    this.place = place;
    this.isTimeout = isTimeout;
    this.proxyStatus = proxyStatus;
  }
}
