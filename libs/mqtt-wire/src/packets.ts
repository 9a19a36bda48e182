import type { Properties } from './properties.js';

/** Protocol level: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5. */
export type ProtocolVersion = 3 | 4 | 5;

export type Qos = 0 | 1 | 2;

/** The message a server publishes when a client goes without DISCONNECT. */
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties | undefined;
}

export interface ConnectPacket {
  readonly type: 'connect';
  readonly version: ProtocolVersion;
  /** May be empty: the server then chooses one. */
  readonly clientId: string;
  /** Clean session, in MQTT 5 clean start. */
  readonly isClean: boolean;
  /** 0 means none. */
  readonly keepAliveSeconds: number;
  readonly will: Will | undefined;
  readonly userName: string | undefined;
  readonly password: Buffer | undefined;
  readonly properties: Properties | undefined;
}

export interface ConnackPacket {
  readonly type: 'connack';
  readonly sessionPresent: boolean;
  /** A reason code in MQTT 5, a return code (0 to 5) before it. */
  readonly reasonCode: number;
  readonly properties: Properties | undefined;
}

export interface PublishPacket {
  readonly type: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly isDuplicate: boolean;
  /** 0 with QoS 0, which has none. */
  readonly packetId: number;
  readonly properties: Properties | undefined;
}

/** The four acknowledgements of a publication. */
export interface AckPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly packetId: number;
  /** 0 before MQTT 5. */
  readonly reasonCode: number;
  readonly properties: Properties | undefined;
}

export type RetainHandling = 0 | 1 | 2;

export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: Qos;
  /** The next three are false, false and 0 before MQTT 5. */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0: send retained messages; 1: only if the subscription is new; 2: do not. */
  readonly retainHandling: RetainHandling;
}

export interface SubscribePacket {
  readonly type: 'subscribe';
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: Properties | undefined;
}

export interface SubackPacket {
  readonly type: 'suback';
  readonly packetId: number;
  /** One for each filter, in order: the granted QoS, or 0x80 and above for a refusal. */
  readonly reasonCodes: readonly number[];
  readonly properties: Properties | undefined;
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe';
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly properties: Properties | undefined;
}

export interface UnsubackPacket {
  readonly type: 'unsuback';
  readonly packetId: number;
  /** One for each filter in MQTT 5, none before it. */
  readonly reasonCodes: readonly number[];
  readonly properties: Properties | undefined;
}

export interface PingPacket {
  readonly type: 'pingreq' | 'pingresp';
}

/** DISCONNECT, and AUTH of MQTT 5. */
export interface ReasonPacket {
  readonly type: 'disconnect' | 'auth';
  /** 0 before MQTT 5. */
  readonly reasonCode: number;
  readonly properties: Properties | undefined;
}

export type MqttPacket =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingPacket
  | ReasonPacket;

/** Names in the order of their numbers in the fixed header (MQTT 5.0 §2.1.2). */
export const packetTypes = [
  'reserved',
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
] as const;

export type PacketType = MqttPacket['type'];

/** The name of a packet type as the standard writes it. */
export function nameOf(typeNumber: number): string {
  return (packetTypes[typeNumber] ?? 'reserved').toUpperCase();
}
