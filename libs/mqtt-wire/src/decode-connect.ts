import { isTopicName } from '@sallyport/protocol';
import type { PacketCursor } from './packet-cursor.js';
import { malformed, PacketError, protocolError } from './packet-error.js';
import type { ConnectPacket, ProtocolVersion, Will } from './packets.js';
import { readProperties } from './properties.js';
import { qosOf } from './qos.js';
import { reasonCodes } from './reason-codes.js';

const flagBits = { reserved: 0x01, clean: 0x02, will: 0x04, willRetain: 0x20, password: 0x40, userName: 0x80 } as const;
const willQosShift = 3;

/** @see MQTT 5.0 §3.1, MQTT 3.1.1 §3.1 */
export function decodeConnect(cursor: PacketCursor): ConnectPacket {
  const version = readVersion(cursor);
  const flags = readFlags(cursor, version);
  const keepAliveSeconds = cursor.uint16('keep-alive');
  const properties = version === 5 ? readProperties(cursor, 'connect') : undefined;
  const clientId = cursor.text('client id');
  const will = (flags & flagBits.will) === 0 ? undefined : readWill(cursor, { flags, version });
  const credentials = readCredentials(cursor, { flags, version });
  cursor.end();
  const isClean = (flags & flagBits.clean) !== 0;
  return { type: 'connect', version, clientId, isClean, keepAliveSeconds, will, ...credentials, properties };
}

function readVersion(cursor: PacketCursor): ProtocolVersion {
  const name = cursor.text('protocol name');
  const level = cursor.byte('protocol level');
  if (name === 'MQIsdp' && level === 3) return 3;
  if (name !== 'MQTT') throw protocolError(`the protocol name ${JSON.stringify(name.slice(0, 16))} is not known`);
  if (level === 4 || level === 5) return level;
  throw new PacketError(`MQTT protocol level ${level} is not served`, reasonCodes.unsupportedProtocolVersion);
}

interface Format {
  readonly flags: number;
  readonly version: ProtocolVersion;
}

function readFlags(cursor: PacketCursor, version: ProtocolVersion): number {
  const flags = cursor.byte('connect flags');
  // [MQTT-3.1.2-3]
  if ((flags & flagBits.reserved) !== 0) throw malformed('CONNECT has its reserved flag set');
  // [MQTT-3.1.2-11], [MQTT-3.1.2-13] to [MQTT-3.1.2-15]
  const hasWillBits = (flags & (flagBits.willRetain | (3 << willQosShift))) !== 0;
  if ((flags & flagBits.will) === 0 && hasWillBits) throw malformed('CONNECT has QoS or retain of a will, and no will');
  // MQTT 3.1.1 [MQTT-3.1.2-22]; MQTT 5 allows it.
  const hasPasswordOnly = (flags & flagBits.password) !== 0 && (flags & flagBits.userName) === 0;
  if (version !== 5 && hasPasswordOnly) throw malformed('CONNECT has a password and no user name');
  return flags;
}

function readWill(cursor: PacketCursor, { flags, version }: Format): Will {
  const properties = version === 5 ? readProperties(cursor, 'will') : undefined;
  const topic = cursor.text('will topic');
  if (!isTopicName(topic))
    throw new PacketError(`the will topic ${describeTopic(topic)}`, reasonCodes.topicNameInvalid);
  const payload = cursor.binary('will payload');
  const qos = qosOf((flags >> willQosShift) & 3, 'the will');
  return { topic, payload, qos, retain: (flags & flagBits.willRetain) !== 0, properties };
}

/** Why a topic is no topic name, for an error. */
export function describeTopic(topic: string): string {
  return topic === '' ? 'is empty' : 'has a wildcard';
}

function readCredentials(
  cursor: PacketCursor,
  { flags, version }: Format,
): Pick<ConnectPacket, 'userName' | 'password'> {
  // MQTT 3.1 §3.1: user name and password may be missing although their flags are set.
  const isPresent = (flag: number) => (flags & flag) !== 0 && (version !== 3 || cursor.left > 0);
  const userName = isPresent(flagBits.userName) ? cursor.text('user name') : undefined;
  const password = isPresent(flagBits.password) ? cursor.binary('password') : undefined;
  return { userName, password };
}

/** The byte of connect flags that belongs to a packet. */
export function connectFlags({ isClean, will, userName, password }: Omit<ConnectPacket, 'type'>): number {
  const ofWill =
    will === undefined ? 0 : flagBits.will | (will.qos << willQosShift) | (will.retain ? flagBits.willRetain : 0);
  const ofCredentials =
    (userName === undefined ? 0 : flagBits.userName) | (password === undefined ? 0 : flagBits.password);
  return (isClean ? flagBits.clean : 0) | ofWill | ofCredentials;
}
