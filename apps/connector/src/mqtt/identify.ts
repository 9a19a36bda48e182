import { type ConnectPacket, reasonCodeOfRefusal, reasonCodes } from '@sallyport/mqtt-wire';
import type { DeviceId, RefusalReason } from '@sallyport/protocol';
import type { ClientContact } from './client-contact.js';
import { type ConnectFault, claimOf, nameFault } from './session-terms.js';

export type Identity =
  /** `device` is undefined for a client that has not said who it is. */
  | { readonly kind: 'known'; readonly device: DeviceId | undefined }
  | { readonly kind: 'fault'; readonly fault: ConnectFault };

/**
 * Says whose session a CONNECT begins. A certificate has said it already; then the credentials of the packet do not
 * count. A device that shows none must have one of another kind.
 */
export async function identify(connect: ConnectPacket, contact: ClientContact): Promise<Identity> {
  if (connect.properties?.authenticationMethod !== undefined) {
    const detail = 'the client asks for an authentication method';
    return faultOf({ reason: 'authentication-method', detail, code: reasonCodes.badAuthenticationMethod });
  }
  const identity = contact.deviceId === undefined ? await authenticate(connect, contact) : known(contact.deviceId);
  const fault = identity.kind === 'known' ? nameFault(connect, identity.device) : undefined;
  return fault === undefined ? identity : faultOf(fault);
}

async function authenticate(connect: ConnectPacket, contact: ClientContact): Promise<Identity> {
  const claim = claimOf(connect);
  if (claim.kind === 'fault') return claim;
  if (claim.kind === 'nobody') return known(undefined);
  const decision = await contact.authenticate(claim.credential);
  if (decision.outcome === 'admitted') return known(decision.deviceId);
  const { reason } = decision;
  return faultOf({ reason, detail: 'the registry refuses the credential', code: codeOf(reason) });
}

const known = (device: DeviceId | undefined): Identity => ({ kind: 'known', device });
const faultOf = (fault: ConnectFault): Identity => ({ kind: 'fault', fault });

/** CONNACK 4 of MQTT 3.1.1 says that the credential is wrong, 5 that its device may not connect. */
function codeOf(reason: RefusalReason): number {
  switch (reason) {
    case 'credential-unknown':
    case 'credential-mismatch':
    case 'token-expired':
      return reasonCodes.badUserNameOrPassword;
    default:
      return reasonCodeOfRefusal(reason);
  }
}
