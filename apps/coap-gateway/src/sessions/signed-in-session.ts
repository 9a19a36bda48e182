import type { Endpoint } from '@sallyport/coap-wire';
import type { DeviceId, OcfUuid } from '@sallyport/protocol';
import type { AccessToken } from '../authorization/authorization.js';
import type { DeviceSession } from './device-session.js';
import type { ConnectionEnd, ProvedUser } from './sec-context.js';

export interface SignedInSessionOptions {
  readonly user: ProvedUser;
  /** When it ends; undefined: never. */
  readonly expiresAt: Date | undefined;
  readonly endpoint: Endpoint;
  readonly connectionId: string;
  readonly remoteAddress: string;
  /** Ends its connection. */
  readonly end: (reason: ConnectionEnd) => void;
}

/** A device that is signed in, with the token it signed in with. */
export class SignedInSession implements DeviceSession {
  readonly device: OcfUuid;
  readonly deviceId: DeviceId;
  readonly owner: string;
  readonly connectionId: string;
  readonly endpoint: Endpoint;
  readonly remoteAddress: string;
  private readonly life = new AbortController();
  private token: AccessToken;
  private expiresAt: Date | undefined;

  constructor(private readonly options: SignedInSessionOptions) {
    const { user, expiresAt } = options;
    this.device = user.device;
    this.deviceId = user.deviceId;
    this.owner = user.access.owner;
    this.token = user.access;
    this.expiresAt = expiresAt;
    this.connectionId = options.connectionId;
    this.endpoint = options.endpoint;
    this.remoteAddress = options.remoteAddress;
  }

  get signal(): AbortSignal {
    return this.life.signal;
  }

  /** The newest token of the session, verified. The token itself is kept nowhere. */
  get access(): AccessToken {
    return this.token;
  }

  isOf({ device, access }: ProvedUser): boolean {
    return this.device === device && this.owner === access.owner;
  }

  isExpired(now: Date): boolean {
    return this.expiresAt !== undefined && this.expiresAt <= now;
  }

  renew(access: AccessToken, expiresAt: Date | undefined): void {
    this.token = access;
    this.expiresAt = expiresAt;
  }

  /** Ends its connection too. */
  end(reason: ConnectionEnd): void {
    this.options.end(reason);
  }

  /** The device is not signed in any more. */
  leave(): void {
    this.life.abort();
  }
}
