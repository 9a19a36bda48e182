import { type ConnectPacket, type Properties, type ProtocolVersion, reasonCodes } from '@sallyport/mqtt-wire';
import type { ConnectRefusal, DeviceId, PresentedCredential, RefusalReason } from '@sallyport/protocol';
import type { SessionLimits } from './session-limits.js';

/** What client and server agreed on with CONNECT and CONNACK. */
export interface SessionTerms {
  readonly version: ProtocolVersion;
  readonly keepAliveSeconds: number;
  /** Messages to the client that it may leave unacknowledged at a time. */
  readonly window: number;
  /** Largest packet that the client takes. */
  readonly largestBytes: number;
}

/** Only what lasts: the password of the packet is forgotten, and so is the chunk it came in. */
export function termsOf(
  { version, keepAliveSeconds, properties = {} }: ConnectPacket,
  limits: SessionLimits,
): SessionTerms {
  return {
    version,
    keepAliveSeconds,
    window: Math.min(limits.commandsInFlight, properties.receiveMaximum ?? limits.commandsInFlight),
    largestBytes: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
  };
}

/** What CONNACK of MQTT 5 says. Nothing of a session outlives its connection but the commands, which are state. */
export function offerOf(limits: SessionLimits, assignedClientIdentifier: string | undefined): Properties {
  return {
    sessionExpiryInterval: 0,
    receiveMaximum: limits.pendingWrites,
    maximumQoS: 1,
    retainAvailable: false,
    maximumPacketSize: limits.packetBytes,
    topicAliasMaximum: limits.topicAliases,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(assignedClientIdentifier === undefined ? {} : { assignedClientIdentifier }),
  };
}

/** Why a client may not connect. */
export interface ConnectFault {
  readonly reason: ConnectRefusal | RefusalReason | 'take-over-rate';
  /** For the log. */
  readonly detail: string;
  /** Of MQTT 5. */
  readonly code: number;
}

/** Who a client says it is, besides its certificate. */
export type Claim =
  | { readonly kind: 'credential'; readonly credential: PresentedCredential }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'fault'; readonly fault: ConnectFault };

/**
 * The credential in a CONNECT: a token as password without a user name, or a password with the identity as user name.
 * Neither: the client may only provision itself.
 */
export function claimOf({ userName = '', password }: ConnectPacket): Claim {
  const secret = password?.toString('utf8') ?? '';
  if (secret === '' && userName === '') return { kind: 'nobody' };
  if (secret === '') {
    const detail = 'a user name came without a password';
    return { kind: 'fault', fault: { reason: 'credential-unknown', detail, code: reasonCodes.badUserNameOrPassword } };
  }
  const credential: PresentedCredential =
    userName === '' ? { kind: 'token', token: secret } : { kind: 'password', identity: userName, password: secret };
  return { kind: 'credential', credential };
}

/**
 * What a client whose identity is known may not say of itself: another name. One device must never end the session of
 * another one by its client id.
 */
export function nameFault(connect: ConnectPacket, deviceId: DeviceId | undefined): ConnectFault | undefined {
  const { clientId, userName = '' } = connect;
  if (deviceId === undefined) return undefined;
  if (clientId !== '' && clientId !== deviceId) {
    const detail = 'the client id is not the identity of the device; leave it empty';
    return { reason: 'client-id-not-valid', detail, code: reasonCodes.clientIdNotValid };
  }
  if (userName === '' || userName === deviceId) return undefined;
  const detail = 'the user name is not the identity of the device; leave it empty';
  return { reason: 'credential-mismatch', detail, code: reasonCodes.badUserNameOrPassword };
}
