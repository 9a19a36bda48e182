import fc from 'fast-check';
import type { MqttPacket, Properties, ProtocolVersion, SubscriptionRequest, Will } from './index.js';

// Letters of one to four bytes of UTF-8.
const letter = fc.constantFrom('a', 'Z', '0', ' ', '/', 'é', '€', '\u{feff}', '\u{1f600}');
const text = fc.string({ unit: letter, maxLength: 40 });
const topic = fc.string({ unit: letter, minLength: 1, maxLength: 40 });
const filter = fc.oneof(topic, fc.constantFrom('#', '+', 'a/#', '+/b', '$share/s/a/+', '/'));
const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const qos = fc.constantFrom(0, 1, 2);
const uint16 = fc.nat(0xffff);
const packetId = fc.integer({ min: 1, max: 0xffff });
const uint32 = fc.nat(0xffff_ffff);
const none = fc.constant(undefined);

const texts = ['contentType', 'assignedClientIdentifier', 'responseInformation', 'serverReference', 'reasonString'];
const allProperties = {
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: uint32,
  responseTopic: topic,
  correlationData: payload,
  sessionExpiryInterval: uint32,
  serverKeepAlive: uint16,
  requestProblemInformation: fc.boolean(),
  willDelayInterval: uint32,
  requestResponseInformation: fc.boolean(),
  receiveMaximum: packetId,
  topicAliasMaximum: uint16,
  maximumQoS: fc.constantFrom(0, 1),
  retainAvailable: fc.boolean(),
  userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }),
  maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
  wildcardSubscriptionAvailable: fc.boolean(),
  subscriptionIdentifiersAvailable: fc.boolean(),
  sharedSubscriptionAvailable: fc.boolean(),
  ...Object.fromEntries(texts.map((name) => [name, text])),
};

function propertiesOf(version: ProtocolVersion, names: readonly string[]): fc.Arbitrary<Properties | undefined> {
  if (version !== 5) return none;
  const chosen = Object.fromEntries(Object.entries(allProperties).filter(([name]) => names.includes(name)));
  const record: fc.Arbitrary<Properties> = fc.record(chosen, { requiredKeys: [] });
  return record.map((properties) => (Object.keys(properties).length === 0 ? undefined : properties));
}

const ofMessage = [
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
];
const ofAnswer = ['reasonString', 'userProperties'];
const ofConnect = [
  'sessionExpiryInterval',
  'receiveMaximum',
  'maximumPacketSize',
  'topicAliasMaximum',
  'userProperties',
];
const ofRequests = ['requestResponseInformation', 'requestProblemInformation'];
const ofServer = [
  'maximumQoS',
  'retainAvailable',
  'assignedClientIdentifier',
  'wildcardSubscriptionAvailable',
  'subscriptionIdentifiersAvailable',
  'sharedSubscriptionAvailable',
  'serverKeepAlive',
  'responseInformation',
  'serverReference',
];

function willOf(version: ProtocolVersion): fc.Arbitrary<Will> {
  const properties = propertiesOf(version, [...ofMessage, 'willDelayInterval', 'userProperties']);
  return fc.record({ topic, payload, qos, retain: fc.boolean(), properties });
}

function subscriptionOf(version: ProtocolVersion): fc.Arbitrary<SubscriptionRequest> {
  if (version !== 5)
    return fc.record({
      filter,
      qos,
      noLocal: fc.constant(false),
      retainAsPublished: fc.constant(false),
      retainHandling: fc.constant(0),
    });
  const options = { qos, retainAsPublished: fc.boolean(), retainHandling: qos };
  return fc
    .record({ filter, noLocal: fc.boolean(), ...options })
    .map((request) => ({ ...request, noLocal: request.noLocal && !request.filter.startsWith('$share/') }));
}

const reason = (version: ProtocolVersion, codes: readonly number[]) =>
  version === 5 ? fc.constantFrom(...codes) : fc.constant(0);

function connectOf(version: ProtocolVersion): fc.Arbitrary<MqttPacket> {
  return fc
    .record({
      type: fc.constant('connect' as const),
      version: fc.constant(version),
      clientId: text,
      isClean: fc.boolean(),
      keepAliveSeconds: uint16,
      will: fc.oneof(none, willOf(version)),
      userName: fc.oneof(none, text),
      password: fc.oneof(none, payload),
      properties: propertiesOf(version, [...ofConnect, ...ofRequests]),
    })
    .map((connect) => ({
      ...connect,
      password: version === 5 || connect.userName !== undefined ? connect.password : undefined,
    }));
}

function publishOf(version: ProtocolVersion): fc.Arbitrary<MqttPacket> {
  return fc
    .record({
      type: fc.constant('publish' as const),
      topic,
      payload,
      qos,
      retain: fc.boolean(),
      isDuplicate: fc.boolean(),
      packetId,
      properties: propertiesOf(version, [...ofMessage, 'userProperties']),
    })
    .map((publish) => (publish.qos === 0 ? { ...publish, isDuplicate: false, packetId: 0 } : publish));
}

/** Every well-formed packet that a client may send, but for topic aliases and authentication. */
export function clientPackets(version: ProtocolVersion): fc.Arbitrary<MqttPacket> {
  const properties = propertiesOf(version, ofAnswer);
  return fc.oneof(
    publishOf(version),
    fc.record({
      type: fc.constantFrom('puback' as const, 'pubrec' as const),
      packetId,
      reasonCode: reason(version, [0, 0x10, 0x97]),
      properties,
    }),
    fc.record({
      type: fc.constantFrom('pubrel' as const, 'pubcomp' as const),
      packetId,
      reasonCode: reason(version, [0, 0x92]),
      properties,
    }),
    fc.record({
      type: fc.constant('subscribe' as const),
      packetId,
      subscriptions: fc.array(subscriptionOf(version), { minLength: 1, maxLength: 4 }),
      properties: propertiesOf(version, ['userProperties']),
    }),
    fc.record({
      type: fc.constant('unsubscribe' as const),
      packetId,
      filters: fc.array(filter, { minLength: 1, maxLength: 4 }),
      properties: propertiesOf(version, ['userProperties']),
    }),
    fc.constant({ type: 'pingreq' as const }),
    fc.record({ type: fc.constant('disconnect' as const), reasonCode: reason(version, [0, 4, 0x81]), properties }),
  );
}

/** Every well-formed packet that only a server sends. */
export function serverPackets(version: ProtocolVersion): fc.Arbitrary<MqttPacket> {
  const properties = propertiesOf(version, ofAnswer);
  return fc.oneof(
    fc.record({
      type: fc.constant('connack' as const),
      sessionPresent: fc.boolean(),
      reasonCode: fc.constantFrom(0, 1, 5),
      properties: propertiesOf(version, [...ofConnect, ...ofServer, 'reasonString']),
    }),
    fc.record({
      type: fc.constant('suback' as const),
      packetId,
      reasonCodes: fc.array(fc.constantFrom(0, 1, 2, 0x80), { minLength: 1, maxLength: 4 }),
      properties,
    }),
    fc.record({
      type: fc.constant('unsuback' as const),
      packetId,
      reasonCodes: version === 5 ? fc.array(fc.constantFrom(0, 0x11), { minLength: 1 }) : fc.constant([]),
      properties,
    }),
    fc.constant({ type: 'pingresp' as const }),
  );
}

/** A CONNECT and packets of its version behind it. */
export const clientStreams: fc.Arbitrary<readonly [version: ProtocolVersion, packets: readonly MqttPacket[]]> = fc
  .constantFrom(3 as const, 4 as const, 5 as const)
  .chain((version) =>
    fc
      .tuple(connectOf(version), fc.array(clientPackets(version), { maxLength: 5 }))
      .map(([connect, packets]) => [version, [connect, ...packets]] as const),
  );

export const serverStreams: typeof clientStreams = fc
  .constantFrom(3 as const, 4 as const, 5 as const)
  .chain((version) =>
    fc.array(serverPackets(version), { minLength: 1, maxLength: 5 }).map((packets) => [version, packets] as const),
  );
