import { type ConnectPacket, type Properties, type ProtocolVersion, type Will } from '@sallyport/mqtt-wire';
import type { BrokerLimits } from './limits.js';
import { forever } from './session.js';

/** What a client and the broker agreed on with CONNECT and CONNACK. */
export interface ConnectTerms {
  readonly version: ProtocolVersion;
  readonly keepAliveSeconds: number;
  /** How long the session outlives the connection. */
  readonly expirySeconds: number;
  /** QoS 1 and 2 messages to the client that may be unacknowledged at a time. */
  readonly window: number;
  /** Largest packet that the client takes. */
  readonly largestBytes: number;
  readonly will: Will | undefined;
}

/** Only what lasts: password and properties of the packet are forgotten, and so is the chunk they came in. */
export function termsOf(connect: ConnectPacket, { inFlightMessages }: BrokerLimits): ConnectTerms {
  const { version, keepAliveSeconds, properties = {} } = connect;
  return {
    version,
    keepAliveSeconds,
    expirySeconds: expiryOf(connect),
    window: Math.min(inFlightMessages, properties.receiveMaximum ?? inFlightMessages),
    largestBytes: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    will: ownWill(connect.will),
  };
}

/** MQTT 5.0 §3.1.2.11.2; before it a session is kept for ever, or not at all (MQTT 3.1.1 §3.1.2.4). */
function expiryOf({ version, isClean, properties }: ConnectPacket): number {
  if (version === 5) return properties?.sessionExpiryInterval ?? 0;
  return isClean ? 0 : forever;
}

function ownWill(will: Will | undefined): Will | undefined {
  return will && { ...will, payload: Buffer.from(will.payload) };
}

/** What CONNACK of MQTT 5 says of the broker. What it does not say is as the standard assumes. */
export function offerOf(limits: BrokerLimits, assignedClientIdentifier: string | undefined): Properties {
  return {
    receiveMaximum: limits.unreleasedMessages,
    maximumPacketSize: limits.packetBytes,
    topicAliasMaximum: limits.topicAliases,
    ...(assignedClientIdentifier === undefined ? {} : { assignedClientIdentifier }),
  };
}
