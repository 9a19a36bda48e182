import { type ConnackPacket, type ConnectPacket, protocolError } from '@sallyport/mqtt-wire';
import { ConnectRefused } from './bridge-fault.js';
import type { ConnectTerms } from './bridge-types.js';

/** What a broker said about itself in CONNACK. */
export interface PeerTerms {
  /** The broker has kept the session, with its subscriptions. */
  readonly isResumed: boolean;
  /** Messages of QoS 1 that it takes at a time. */
  readonly receiveMaximum: number;
  /** In bytes; no limit when absent. */
  readonly largestPacketBytes: number;
  readonly takesRetained: boolean;
  readonly highestQos: number;
  readonly keepAliveSeconds: number;
}

const noExpiry = 0xffff_ffff;

/** @param receiveMaximum messages of QoS 1 that the broker may send at a time (MQTT 5) */
export function connectPacket(terms: ConnectTerms, receiveMaximum: number, largestPacketBytes: number): ConnectPacket {
  const { version, sessionExpirySeconds = noExpiry, isClean } = terms;
  return {
    type: 'connect',
    version,
    clientId: terms.clientId,
    isClean,
    keepAliveSeconds: terms.keepAliveSeconds,
    will: terms.will,
    userName: terms.userName,
    password: terms.password,
    properties:
      version === 5
        ? {
            ...(isClean ? {} : { sessionExpiryInterval: sessionExpirySeconds }),
            receiveMaximum,
            maximumPacketSize: largestPacketBytes,
          }
        : undefined,
  };
}

/**
 * @throws ConnectRefused, and PacketError for an answer that does not fit to CONNECT
 */
export function peerTerms(connack: ConnackPacket, terms: ConnectTerms): PeerTerms {
  const { reasonCode, sessionPresent, properties = {} } = connack;
  if (reasonCode !== 0) throw new ConnectRefused(terms.version, reasonCode);
  // [MQTT-3.2.2-2]
  if (sessionPresent && terms.isClean) throw protocolError('CONNACK has a session, and a clean one was asked for');
  return {
    isResumed: sessionPresent,
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    largestPacketBytes: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    takesRetained: properties.retainAvailable ?? true,
    highestQos: properties.maximumQoS ?? 2,
    keepAliveSeconds: properties.serverKeepAlive ?? terms.keepAliveSeconds,
  };
}
