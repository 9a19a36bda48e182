import { randomBytes } from 'node:crypto';
import { type ConnectPacket, reasonCodes } from '@sallyport/mqtt-wire';
import { type MqttAccess, type MqttParty, sessionIdOf, userNameOf } from '@sallyport/protocol';
import { ConnectRefused } from './connect-refused.js';

/** What goes to the broker in place of a client's CONNECT. */
export interface PassingConnect {
  readonly connect: ConnectPacket;
  /** The id the client does not know yet, because it left the choice to us. MQTT 5 tells it in CONNACK. */
  readonly assignedClientId: string | undefined;
}

/** MQTT 5.0 §1.5.4: a text has at most 65,535 bytes. */
const mostTextBytes = 65_535;

const assignedIdBytes = 12;

/**
 * Makes the CONNECT for the broker behind the door. User name and client id say who the client has proved to be. What the
 * client sent as user name and password is dropped: it never reaches the broker.
 *
 * @throws ConnectRefused: the client may not ask for this
 */
export function passingConnect(connect: ConnectPacket, party: MqttParty, access: MqttAccess): PassingConnect {
  // MQTT 5.0 §4.12: only a method that both sides know can be used.
  if (connect.properties?.authenticationMethod !== undefined)
    throw new ConnectRefused(
      'authentication-method',
      reasonCodes.badAuthenticationMethod,
      'the client asks for an authentication method',
    );
  if (connect.will !== undefined && !access.mayPublish(party, connect.will.topic))
    throw new ConnectRefused(
      'will-not-permitted',
      reasonCodes.notAuthorized,
      `the client may not publish to the topic of its will, ${connect.will.topic}`,
    );
  const assignedClientId = connect.clientId === '' ? newClientId(connect) : undefined;
  const clientId = sessionIdOf(party, assignedClientId ?? connect.clientId);
  if (Buffer.byteLength(clientId) > mostTextBytes)
    throw new ConnectRefused('client-id-not-valid', reasonCodes.clientIdNotValid, 'the client id is too long');
  return { connect: { ...connect, clientId, userName: userNameOf(party), password: undefined }, assignedClientId };
}

/** @see MQTT 3.1.1 §3.1.3.1 [MQTT-3.1.3-8]; MQTT 3.1 §3.1: an id has 1 to 23 characters */
function newClientId({ version, isClean }: ConnectPacket): string {
  if (version === 3 || (version === 4 && !isClean))
    throw new ConnectRefused(
      'client-id-not-valid',
      reasonCodes.clientIdNotValid,
      'the client id is empty, and the session is not clean',
    );
  return randomBytes(assignedIdBytes).toString('hex');
}
