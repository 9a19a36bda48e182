import type { CoapRequest } from '@sallyport/coap-wire';
import type { TokenBuckets } from '@sallyport/concurrency';
import type { DeviceId, OcfUuid } from '@sallyport/protocol';
import type { Clock, InnerFaultLog, Log } from '@sallyport/runtime';
import type { Connection } from '@sallyport/tls';
import type { AccessToken, Authorization } from '../authorization/authorization.js';
import type { RememberedGrants } from '../authorization/remembered-grants.js';
import type { DeviceIdRules } from '../authorization/resolve-device-id.js';
import type { AttemptLimit } from './attempt-limit.js';
import type { DeviceOwners } from './device-owners.js';
import type { RefusalNotes } from './refusal-notes.js';
import type { SessionCounters } from './session-counters.js';
import type { SessionPresence } from './session-presence.js';
import type { SignedInDevices } from './signed-in-devices.js';
import type { SignedInSession } from './signed-in-session.js';
import type { SignedInWork } from './signed-in-work.js';

/** What the settings say of sessions, as they are now. */
export interface SessionRules extends DeviceIdRules {
  /** How long before its token expires a session ends, in milliseconds: twice `coap.owner_cache_expiration`. */
  readonly tokenMarginMs: number;
  /** Bytes of the largest message of a device that is known. */
  readonly messageBytes: number;
  /** How long a device may be connected without being signed in, in milliseconds. */
  readonly signInMs: number;
  /** How long running commands may take before a device is signed off, in milliseconds. */
  readonly settleMs: number;
}

/** What all connections share. */
export interface GatewayContext {
  readonly authorization: Authorization;
  readonly owners: DeviceOwners;
  readonly devices: SignedInDevices;
  readonly work: SignedInWork;
  readonly presence: SessionPresence;
  readonly attempts: AttemptLimit;
  /** How often a device may take its session over from another connection. */
  readonly takeOvers: TokenBuckets<OcfUuid>;
  /** How often a device may begin a session. */
  readonly signIns: TokenBuckets<OcfUuid>;
  readonly counters: SessionCounters;
  readonly rules: () => SessionRules;
  readonly refusals: RefusalNotes;
  readonly clock: Clock;
  readonly log: Log;
  /** Requests that failed inside. A full disk makes all of them fail, so it is told once a minute for all connections. */
  readonly faults: InnerFaultLog;
}

/** Why the gateway ends a connection. */
export type ConnectionEnd =
  | 'superseded by a newer connection of the device'
  | 'the access token has expired'
  | 'the device has another owner'
  | 'no sign-in in time';

/** A user at a device, proved by an access token. */
export interface ProvedUser {
  readonly access: AccessToken;
  readonly device: OcfUuid;
  readonly deviceId: DeviceId;
}

/** What requests change of their connection. */
export interface DeviceLink {
  /** The session of the device; undefined before sign-in and after sign-out. */
  readonly signedIn: SignedInSession | undefined;
  /** Signs the device in. For the same device and user as before, only the token is a new one. */
  enter(user: ProvedUser, expiresAt: Date | undefined): void;
  /** A newer token for the user that is signed in; nothing when another is, or nobody. */
  renew(user: ProvedUser): void;
  /** Signs the device out. Its connection stays. */
  leave(): void;
}

/** A request of the resources below `/oic/sec`, and what it may use. */
export interface SecRequest {
  readonly request: CoapRequest;
  readonly context: GatewayContext;
  readonly connection: Connection;
  readonly link: DeviceLink;
  /** What codes and refresh tokens have brought on this connection. */
  readonly tokens: RememberedGrants;
}
