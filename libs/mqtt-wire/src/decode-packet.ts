import { isTopicFilter, sharedFilter } from '@sallyport/protocol';
import type { PacketCursor } from './packet-cursor.js';
import { malformed, PacketError, protocolError } from './packet-error.js';
import type {
  AckPacket,
  ConnackPacket,
  PingPacket,
  ProtocolVersion,
  ReasonPacket,
  RetainHandling,
  SubackPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubackPacket,
  UnsubscribePacket,
} from './packets.js';
import { type Properties, readProperties } from './properties.js';
import { qosOf } from './qos.js';
import { reasonCodes } from './reason-codes.js';

/** @see MQTT 5.0 §3.2 */
export function decodeConnack(cursor: PacketCursor, version: ProtocolVersion): ConnackPacket {
  const flags = cursor.byte('flags');
  // [MQTT-3.2.2-1]; MQTT 3.1 reserves the whole byte.
  if (flags > 1) throw malformed('CONNACK has reserved flags set');
  const reasonCode = cursor.byte('reason code');
  const properties = version === 5 ? readProperties(cursor, 'connack') : undefined;
  cursor.end();
  return { type: 'connack', sessionPresent: flags === 1, reasonCode, properties };
}

const ackReasons = {
  puback: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrec: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrel: [0x00, 0x92],
  pubcomp: [0x00, 0x92],
} as const;

/** @see MQTT 5.0 §3.4 to §3.7: without a reason code it is 0, and the properties may be missing too */
export function decodeAck(cursor: PacketCursor, type: AckPacket['type'], version: ProtocolVersion): AckPacket {
  const packetId = cursor.packetId();
  if (version !== 5) {
    cursor.end();
    return { type, packetId, reasonCode: reasonCodes.success, properties: undefined };
  }
  const allowed: readonly number[] = ackReasons[type];
  return { type, packetId, ...readReason(cursor, type, allowed) };
}

// A packet is read in one piece, and nobody is served meanwhile. A mebibyte has room for 350,000 filters of one letter.
const mostFilters = 20_000;

function checkFilters(soFar: readonly unknown[], packetName: string): void {
  if (soFar.length < mostFilters) return;
  throw new PacketError(`${packetName} has more than ${mostFilters} filters`, reasonCodes.packetTooLarge);
}

/** @see MQTT 5.0 §3.8 */
export function decodeSubscribe(cursor: PacketCursor, version: ProtocolVersion): SubscribePacket {
  const packetId = cursor.packetId();
  const properties = version === 5 ? readProperties(cursor, 'subscribe') : undefined;
  const subscriptions: SubscriptionRequest[] = [];
  while (cursor.left > 0) {
    checkFilters(subscriptions, 'SUBSCRIBE');
    subscriptions.push(readSubscription(cursor, version));
  }
  // [MQTT-3.8.3-2]
  if (subscriptions.length === 0) throw protocolError('SUBSCRIBE has no filter');
  return { type: 'subscribe', packetId, subscriptions, properties };
}

function readSubscription(cursor: PacketCursor, version: ProtocolVersion): SubscriptionRequest {
  const filter = readFilter(cursor);
  const options = cursor.byte('subscription options');
  const qos = qosOf(options & 3, 'a subscription');
  // [MQTT-3.8.3-5]; before MQTT 5 the upper six bits are reserved (MQTT 3.1.1 [MQTT-3-8.3-4]).
  if (options >= (version === 5 ? 0x40 : 4)) throw malformed('SUBSCRIBE has reserved subscription options set');
  const noLocal = (options & 0x04) !== 0;
  // [MQTT-3.8.3-4]
  if (noLocal && sharedFilter(filter) !== undefined) throw protocolError('a shared subscription has no local set');
  const retainHandling = retainHandlingOf((options >> 4) & 3);
  return { filter, qos, noLocal, retainAsPublished: (options & 0x08) !== 0, retainHandling };
}

function retainHandlingOf(bits: number): RetainHandling {
  if (bits === 0 || bits === 1 || bits === 2) return bits;
  throw protocolError('a subscription has retain handling 3');
}

function readFilter(cursor: PacketCursor): string {
  const filter = cursor.text('filter');
  if (isTopicFilter(filter)) return filter;
  const shown = JSON.stringify(filter.slice(0, 64));
  throw new PacketError(`${cursor.packetName} has the invalid filter ${shown}`, reasonCodes.topicFilterInvalid);
}

/** @see MQTT 5.0 §3.9 */
export function decodeSuback(cursor: PacketCursor, version: ProtocolVersion): SubackPacket {
  const packetId = cursor.packetId();
  const properties = version === 5 ? readProperties(cursor, 'suback') : undefined;
  const codes = [...cursor.rest()];
  if (codes.length === 0) throw protocolError('SUBACK has no reason code');
  if (codes.some((code) => code > 2 && code < 0x80)) throw malformed('SUBACK has an undefined reason code');
  return { type: 'suback', packetId, reasonCodes: codes, properties };
}

/** @see MQTT 5.0 §3.10 */
export function decodeUnsubscribe(cursor: PacketCursor, version: ProtocolVersion): UnsubscribePacket {
  const packetId = cursor.packetId();
  const properties = version === 5 ? readProperties(cursor, 'unsubscribe') : undefined;
  const filters: string[] = [];
  while (cursor.left > 0) {
    checkFilters(filters, 'UNSUBSCRIBE');
    filters.push(readFilter(cursor));
  }
  // [MQTT-3.10.3-2]
  if (filters.length === 0) throw protocolError('UNSUBSCRIBE has no filter');
  return { type: 'unsubscribe', packetId, filters, properties };
}

/** @see MQTT 5.0 §3.11; before it there are no reason codes */
export function decodeUnsuback(cursor: PacketCursor, version: ProtocolVersion): UnsubackPacket {
  const packetId = cursor.packetId();
  if (version !== 5) {
    cursor.end();
    return { type: 'unsuback', packetId, reasonCodes: [], properties: undefined };
  }
  const properties = readProperties(cursor, 'unsuback');
  const codes = [...cursor.rest()];
  if (codes.length === 0) throw protocolError('UNSUBACK has no reason code');
  return { type: 'unsuback', packetId, reasonCodes: codes, properties };
}

/** @see MQTT 5.0 §3.12, §3.13 */
export function decodePing(cursor: PacketCursor, type: PingPacket['type']): PingPacket {
  cursor.end();
  return { type };
}

const reasonsOf = {
  disconnect: [
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ],
  auth: [0x00, 0x18, 0x19],
} as const;

/** @see MQTT 5.0 §3.14, §3.15 */
export function decodeReason(cursor: PacketCursor, type: ReasonPacket['type'], version: ProtocolVersion): ReasonPacket {
  if (version !== 5) {
    cursor.end();
    return { type, reasonCode: reasonCodes.success, properties: undefined };
  }
  const allowed: readonly number[] = reasonsOf[type];
  return { type, ...readReason(cursor, type, allowed) };
}

interface Reason {
  readonly reasonCode: number;
  readonly properties: Properties | undefined;
}

function readReason(
  cursor: PacketCursor,
  place: AckPacket['type'] | ReasonPacket['type'],
  allowed: readonly number[],
): Reason {
  if (cursor.left === 0) return { reasonCode: reasonCodes.success, properties: undefined };
  const reasonCode = cursor.byte('reason code');
  if (!allowed.includes(reasonCode))
    throw protocolError(`${cursor.packetName} has the undefined reason code ${reasonCode}`);
  const properties = cursor.left === 0 ? undefined : readProperties(cursor, place);
  cursor.end();
  return { reasonCode, properties };
}
