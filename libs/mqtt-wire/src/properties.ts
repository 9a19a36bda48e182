import { isTopicName } from '@sallyport/protocol';
import type { FrameWriter } from './frame-writer.js';
import type { PacketCursor } from './packet-cursor.js';
import { malformed, PacketError, protocolError } from './packet-error.js';
import type { PacketType } from './packets.js';
import { reasonCodes } from './reason-codes.js';

/** Name and value; the order counts, and names may repeat. */
export type UserProperty = readonly [name: string, value: string];

/**
 * The properties of an MQTT 5 packet, under the names of the standard. A property that is absent has the default that
 * the standard gives it.
 *
 * @see MQTT 5.0 §2.2.2.2
 */
export interface Properties {
  /** True when the payload is UTF-8 text. */
  readonly payloadFormatIndicator?: boolean;
  /** In seconds. */
  readonly messageExpiryInterval?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** One for each subscription that matched; SUBSCRIBE has at most one. */
  readonly subscriptionIdentifiers?: readonly number[];
  /** In seconds; 0xFFFFFFFF means that the session does not expire. */
  readonly sessionExpiryInterval?: number;
  readonly assignedClientIdentifier?: string;
  /** In seconds. */
  readonly serverKeepAlive?: number;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
  readonly requestProblemInformation?: boolean;
  /** In seconds. */
  readonly willDelayInterval?: number;
  readonly requestResponseInformation?: boolean;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reasonString?: string;
  /** QoS 1 and 2 messages that may be unacknowledged at a time. */
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly topicAlias?: number;
  /** 0 or 1. */
  readonly maximumQoS?: number;
  readonly retainAvailable?: boolean;
  readonly userProperties?: readonly UserProperty[];
  /** In bytes, with the fixed header. */
  readonly maximumPacketSize?: number;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
}

/** Where properties stand: in a packet, or with the will inside CONNECT. */
export type PropertyPlace = PacketType | 'will';

/** Lists grow in place: a hostile packet may repeat a property a hundred thousand times. */
interface Lists {
  userProperties?: UserProperty[];
  subscriptionIdentifiers?: number[];
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type MutableProperties = Mutable<Omit<Properties, keyof Lists>> & Lists;
type KeyOf<V> = { [K in keyof Properties]-?: NonNullable<Properties[K]> extends V ? K : never }[keyof Properties];

interface PropertyRule {
  readonly id: number;
  readonly name: keyof Properties;
  readonly places: readonly PropertyPlace[];
  read(cursor: PacketCursor, into: MutableProperties): void;
  /** Writes identifier and value; nothing when the property is absent. */
  write(writer: FrameWriter, properties: Properties): void;
}

interface Numeric {
  readonly id: number;
  readonly name: KeyOf<number>;
  readonly bytes: 1 | 2 | 4;
  readonly places: readonly PropertyPlace[];
  readonly least?: number;
  readonly most?: number;
}

function numeric({ id, name, bytes, places, least = 0, most = 0xffff_ffff }: Numeric): PropertyRule {
  const readers = { 1: readByte, 2: readUint16, 4: readUint32 };
  return {
    id,
    name,
    places,
    read: (cursor, into) => {
      const value = readers[bytes](cursor, name);
      if (value < least || value > most) throw outOfRange(name, value);
      into[name] = value;
    },
    write: (writer, { [name]: value }) => {
      if (value === undefined) return;
      writer.byte(id);
      writer.number(value, bytes);
    },
  };
}

function outOfRange(name: string, value: number): PacketError {
  const text = `the property ${name} must not be ${value}`;
  return name === 'topicAlias' ? new PacketError(text, reasonCodes.topicAliasInvalid) : protocolError(text);
}

const readByte = (cursor: PacketCursor, name: string) => cursor.byte(name);
const readUint16 = (cursor: PacketCursor, name: string) => cursor.uint16(name);
const readUint32 = (cursor: PacketCursor, name: string) => cursor.uint32(name);

function flag(id: number, name: KeyOf<boolean>, places: readonly PropertyPlace[]): PropertyRule {
  return {
    id,
    name,
    places,
    read: (cursor, into) => {
      const value = cursor.byte(name);
      if (value > 1) throw protocolError(`the property ${name} is ${value}, only 0 and 1 are defined`);
      into[name] = value === 1;
    },
    write: (writer, { [name]: value }) => {
      if (value === undefined) return;
      writer.byte(id);
      writer.byte(value ? 1 : 0);
    },
  };
}

function text(id: number, name: KeyOf<string>, places: readonly PropertyPlace[]): PropertyRule {
  return {
    id,
    name,
    places,
    read: (cursor, into) => {
      into[name] = cursor.text(name);
    },
    write: (writer, { [name]: value }) => {
      if (value === undefined) return;
      writer.byte(id);
      writer.text(value);
    },
  };
}

function binary(id: number, name: KeyOf<Buffer>, places: readonly PropertyPlace[]): PropertyRule {
  return {
    id,
    name,
    places,
    read: (cursor, into) => {
      into[name] = cursor.binary(name);
    },
    write: (writer, { [name]: value }) => {
      if (value === undefined) return;
      writer.byte(id);
      writer.binary(value);
    },
  };
}

const everyAcknowledgement: readonly PropertyPlace[] = [
  'connack',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'suback',
  'unsuback',
  'disconnect',
  'auth',
];

const userProperty: PropertyRule = {
  id: 38,
  name: 'userProperties',
  places: [...everyAcknowledgement, 'connect', 'will', 'publish', 'subscribe', 'unsubscribe'],
  read: (cursor, into) => {
    into.userProperties ??= [];
    into.userProperties.push([cursor.text('user property'), cursor.text('user property')]);
  },
  write: (writer, { userProperties = [] }) => {
    for (const [name, value] of userProperties) {
      writer.byte(38);
      writer.text(name);
      writer.text(value);
    }
  },
};

const subscriptionIdentifier: PropertyRule = {
  id: 11,
  name: 'subscriptionIdentifiers',
  places: ['publish', 'subscribe'],
  read: (cursor, into) => {
    const value = cursor.variableInteger('subscription identifier');
    if (value === 0) throw outOfRange('subscriptionIdentifier', 0);
    into.subscriptionIdentifiers ??= [];
    into.subscriptionIdentifiers.push(value);
  },
  write: (writer, { subscriptionIdentifiers = [] }) => {
    for (const value of subscriptionIdentifiers) {
      writer.byte(11);
      writer.variableInteger(value);
    }
  },
};

const responseTopic = text(8, 'responseTopic', ['publish', 'will']);

const rules: readonly PropertyRule[] = [
  flag(1, 'payloadFormatIndicator', ['publish', 'will']),
  numeric({ id: 2, name: 'messageExpiryInterval', bytes: 4, places: ['publish', 'will'] }),
  text(3, 'contentType', ['publish', 'will']),
  {
    ...responseTopic,
    read: (cursor, into) => {
      responseTopic.read(cursor, into);
      // MQTT 5.0 §3.3.2.3.5 [MQTT-3.3.2-14]: the response topic has no wildcards.
      if (!isTopicName(into.responseTopic ?? '')) throw protocolError('the response topic has a wildcard or is empty');
    },
  },
  binary(9, 'correlationData', ['publish', 'will']),
  subscriptionIdentifier,
  numeric({ id: 17, name: 'sessionExpiryInterval', bytes: 4, places: ['connect', 'connack', 'disconnect'] }),
  text(18, 'assignedClientIdentifier', ['connack']),
  numeric({ id: 19, name: 'serverKeepAlive', bytes: 2, places: ['connack'] }),
  text(21, 'authenticationMethod', ['connect', 'connack', 'auth']),
  binary(22, 'authenticationData', ['connect', 'connack', 'auth']),
  flag(23, 'requestProblemInformation', ['connect']),
  numeric({ id: 24, name: 'willDelayInterval', bytes: 4, places: ['will'] }),
  flag(25, 'requestResponseInformation', ['connect']),
  text(26, 'responseInformation', ['connack']),
  text(28, 'serverReference', ['connack', 'disconnect']),
  text(31, 'reasonString', everyAcknowledgement),
  numeric({ id: 33, name: 'receiveMaximum', bytes: 2, places: ['connect', 'connack'], least: 1 }),
  numeric({ id: 34, name: 'topicAliasMaximum', bytes: 2, places: ['connect', 'connack'] }),
  numeric({ id: 35, name: 'topicAlias', bytes: 2, places: ['publish'], least: 1 }),
  numeric({ id: 36, name: 'maximumQoS', bytes: 1, places: ['connack'], most: 1 }),
  flag(37, 'retainAvailable', ['connack']),
  userProperty,
  numeric({ id: 39, name: 'maximumPacketSize', bytes: 4, places: ['connect', 'connack'], least: 1 }),
  flag(40, 'wildcardSubscriptionAvailable', ['connack']),
  flag(41, 'subscriptionIdentifiersAvailable', ['connack']),
  flag(42, 'sharedSubscriptionAvailable', ['connack']),
];

const ruleById: readonly (PropertyRule | undefined)[] = Array.from({ length: 43 }, (_, id) =>
  rules.find((rule) => rule.id === id),
);
const ruleByName: ReadonlyMap<string, PropertyRule> = new Map(rules.map((rule) => [rule.name, rule]));

/**
 * Reads the property length and the properties behind it.
 *
 * @returns undefined when there are none
 * @throws PacketError for a property that is unknown, repeated, out of range, or does not belong to this place
 */
export function readProperties(cursor: PacketCursor, place: PropertyPlace): Properties | undefined {
  const length = cursor.variableInteger('property length');
  if (length === 0) return undefined;
  if (length > cursor.left) throw malformed(`${cursor.packetName} ends inside its properties`);
  const behind = cursor.left - length;
  const properties: MutableProperties = {};
  while (cursor.left > behind) readProperty(cursor, { place, properties });
  if (cursor.left < behind)
    throw malformed(`the last property of ${cursor.packetName} ends behind the property length`);
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw protocolError(`${cursor.packetName} has authentication data and no method`);
  return properties;
}

interface Found {
  readonly place: PropertyPlace;
  readonly properties: MutableProperties;
}

function readProperty(cursor: PacketCursor, { place, properties }: Found): void {
  const id = cursor.variableInteger('property identifier');
  const rule = ruleById[id];
  if (!rule?.places.includes(place)) throw malformed(`property ${id} does not belong into ${cursor.packetName}`);
  const mayRepeat = rule.name === 'userProperties' || (rule.name === 'subscriptionIdentifiers' && place === 'publish');
  if (!mayRepeat && properties[rule.name] !== undefined)
    throw protocolError(`${cursor.packetName} has the property ${rule.name} twice`);
  rule.read(cursor, properties);
}

/** Writes the property length and the properties. */
export function writeProperties(writer: FrameWriter, properties: Properties | undefined): void {
  if (properties === undefined) writer.byte(0);
  else
    writer.measured(() => {
      for (const name in properties) ruleByName.get(name)?.write(writer, properties);
    });
}
