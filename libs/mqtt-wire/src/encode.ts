import { connectFlags } from './decode-connect.js';
import { publishHeader } from './decode-publish.js';
import { FrameWriter, sizeOfVariableInteger, writeVariableInteger } from './frame-writer.js';
import {
  type AckPacket,
  type ConnackPacket,
  type ConnectPacket,
  type MqttPacket,
  type PacketType,
  type PingPacket,
  type ProtocolVersion,
  type PublishPacket,
  packetTypes,
  type ReasonPacket,
  type SubackPacket,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubackPacket,
  type UnsubscribePacket,
} from './packets.js';
import { type Properties, writeProperties } from './properties.js';
import { connectReturnCode, reasonCodes } from './reason-codes.js';

const longestTextBytes = 65_535;

/**
 * Encodes any packet into one Buffer. What MQTT 5 alone has is left out for the older versions. The packet is not
 * checked: it comes from a reader, or from our own code.
 *
 * @param version of the connection; CONNECT says its own
 * @throws RangeError for a text above 65,535 bytes
 */
export function encodePacket(packet: MqttPacket, version: ProtocolVersion): Buffer {
  switch (packet.type) {
    case 'connect':
      return encodeConnect(packet);
    case 'connack':
      return encodeConnack(packet, version);
    case 'publish':
      return encodePublish(packet, version);
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return encodeAck(packet, version);
    case 'subscribe':
      return encodeSubscribe(packet, version);
    case 'unsubscribe':
      return encodeUnsubscribe(packet, version);
    case 'suback':
    case 'unsuback':
      return encodeGrants(packet, version);
    case 'pingreq':
    case 'pingresp':
      return encodePing(packet);
    case 'disconnect':
    case 'auth':
      return encodeReason(packet, version);
    default:
      return packet satisfies never;
  }
}

/** SUBSCRIBE, UNSUBSCRIBE and PUBREL have the flags 2 (MQTT 5.0 §2.1.3). */
function firstByte(type: PacketType): number {
  const flags = type === 'subscribe' || type === 'unsubscribe' || type === 'pubrel' ? 2 : 0;
  return (packetTypes.indexOf(type) << 4) | flags;
}

/**
 * A door passes a CONNECT on with another name:
 * `encodeConnect({ ...connect, userName: 'child1', password: undefined })`.
 */
export function encodeConnect(connect: ConnectPacket): Buffer {
  const { version, clientId, keepAliveSeconds, will, userName, password, properties } = connect;
  const writer = new FrameWriter(256 + (will?.payload.length ?? 0));
  writer.text(version === 3 ? 'MQIsdp' : 'MQTT');
  writer.byte(version);
  writer.byte(connectFlags(connect));
  writer.number(keepAliveSeconds, 2);
  if (version === 5) writeProperties(writer, properties);
  writer.text(clientId);
  if (will !== undefined) {
    if (version === 5) writeProperties(writer, will.properties);
    writer.text(will.topic);
    writer.binary(will.payload);
  }
  if (userName !== undefined) writer.text(userName);
  if (password !== undefined) writer.binary(password);
  return writer.frame(firstByte('connect'));
}

export function encodeConnack(connack: ConnackPacket, version: ProtocolVersion): Buffer {
  const { sessionPresent, reasonCode, properties } = connack;
  const writer = new FrameWriter();
  writer.byte(sessionPresent ? 1 : 0);
  writer.byte(reasonCode);
  if (version === 5) writeProperties(writer, properties);
  return writer.frame(firstByte('connack'));
}

/**
 * The CONNACK that refuses a client, in the words of its version.
 *
 * @param level protocol level of the CONNECT. To one that is not served, a server answers as one of 3.1.1 does
 *   [MQTT-3.1.2-2].
 * @param reasonCode of MQTT 5
 * @returns undefined where the version has no word for it; the connection is then closed without an answer
 * @see MQTT 3.1.1 §3.2.2.3, MQTT 5.0 §3.2.2.2
 */
export function encodeConnectRefusal(level: number, reasonCode: number): Buffer | undefined {
  const version = level === 5 ? 5 : 4;
  const code = version === 5 ? reasonCode : connectReturnCode(reasonCode);
  if (code === undefined) return undefined;
  return encodeConnack({ type: 'connack', sessionPresent: false, reasonCode: code, properties: undefined }, version);
}

export function encodePublish(publish: PublishPacket, version: ProtocolVersion): Buffer {
  const { topic, payload, qos, packetId, properties } = publish;
  if (version !== 5 || properties === undefined) return encodeBarePublish(publish, version);
  const writer = new FrameWriter(3 * topic.length + payload.length + 16);
  writer.text(topic);
  if (qos > 0) writer.number(packetId, 2);
  writeProperties(writer, properties);
  writer.raw(payload);
  return writer.frame(publishHeader(publish));
}

/** Most messages have no properties. Then their size is known before, and nothing is allocated but the packet. */
function encodeBarePublish(publish: PublishPacket, version: ProtocolVersion): Buffer {
  const { topic, payload, qos, packetId } = publish;
  const topicBytes = Buffer.byteLength(topic);
  if (topicBytes > longestTextBytes) throw new RangeError(`a topic of ${topicBytes} bytes is too long`);
  const bodyBytes = 2 + topicBytes + (qos > 0 ? 2 : 0) + (version === 5 ? 1 : 0) + payload.length;
  const bytes = Buffer.allocUnsafe(1 + sizeOfVariableInteger(bodyBytes) + bodyBytes);
  bytes[0] = publishHeader(publish);
  let at = bytes.writeUInt16BE(topicBytes, writeVariableInteger(bytes, bodyBytes, 1));
  at += bytes.write(topic, at);
  if (qos > 0) at = bytes.writeUInt16BE(packetId, at);
  if (version === 5) {
    bytes[at] = 0;
    at += 1;
  }
  bytes.set(payload, at);
  return bytes;
}

/** The property length and the properties behind it, as they stand in a packet of MQTT 5. */
export function encodeProperties(properties: Properties | undefined): Buffer {
  const writer = new FrameWriter();
  writeProperties(writer, properties);
  return writer.body();
}

/** In MQTT 5 the reason code 0 without properties is left out (§3.4.2.1). */
export function encodeAck({ type, packetId, reasonCode, properties }: AckPacket, version: ProtocolVersion): Buffer {
  const isShort = version !== 5 || (reasonCode === reasonCodes.success && properties === undefined);
  if (isShort) return Buffer.from([firstByte(type), 2, packetId >> 8, packetId & 0xff]);
  const writer = new FrameWriter();
  writer.number(packetId, 2);
  writer.byte(reasonCode);
  if (properties !== undefined) writeProperties(writer, properties);
  return writer.frame(firstByte(type));
}

function encodeSubscribe(subscribe: SubscribePacket, version: ProtocolVersion): Buffer {
  const writer = new FrameWriter();
  writer.number(subscribe.packetId, 2);
  if (version === 5) writeProperties(writer, subscribe.properties);
  for (const subscription of subscribe.subscriptions) {
    writer.text(subscription.filter);
    writer.byte(version === 5 ? subscriptionOptions(subscription) : subscription.qos);
  }
  return writer.frame(firstByte('subscribe'));
}

/** @see MQTT 5.0 §3.8.3.1 */
function subscriptionOptions({ qos, noLocal, retainAsPublished, retainHandling }: SubscriptionRequest): number {
  return qos | (noLocal ? 0x04 : 0) | (retainAsPublished ? 0x08 : 0) | (retainHandling << 4);
}

function encodeUnsubscribe(unsubscribe: UnsubscribePacket, version: ProtocolVersion): Buffer {
  const writer = new FrameWriter();
  writer.number(unsubscribe.packetId, 2);
  if (version === 5) writeProperties(writer, unsubscribe.properties);
  for (const filter of unsubscribe.filters) writer.text(filter);
  return writer.frame(firstByte('unsubscribe'));
}

/** SUBACK and UNSUBACK. */
export function encodeGrants(grants: SubackPacket | UnsubackPacket, version: ProtocolVersion): Buffer {
  const writer = new FrameWriter();
  writer.number(grants.packetId, 2);
  if (version === 5) writeProperties(writer, grants.properties);
  if (version === 5 || grants.type === 'suback') for (const code of grants.reasonCodes) writer.byte(code);
  return writer.frame(firstByte(grants.type));
}

export function encodePing({ type }: PingPacket): Buffer {
  return Buffer.from([firstByte(type), 0]);
}

/** DISCONNECT and AUTH. */
export function encodeReason({ type, reasonCode, properties }: ReasonPacket, version: ProtocolVersion): Buffer {
  const writer = new FrameWriter();
  const isShort = version !== 5 || (reasonCode === reasonCodes.success && properties === undefined);
  if (!isShort) writer.byte(reasonCode);
  if (!isShort && properties !== undefined) writeProperties(writer, properties);
  return writer.frame(firstByte(type));
}
