import type { IPublishPacket } from 'mqtt';
import type { MessageProperties, MqttMessage } from './mqtt-session.js';

type PacketProperties = NonNullable<IPublishPacket['properties']>;

/** The message in a packet of MQTT.js. */
export function messageFrom({ topic, payload, qos, retain, dup, properties }: IPublishPacket): MqttMessage {
  return {
    topic,
    payload: Buffer.from(payload),
    qos: qos === 0 ? 0 : 1,
    isRetained: retain,
    isDuplicate: dup,
    ...(properties === undefined ? {} : { properties: propertiesFrom(properties) }),
  };
}

/** Properties as MQTT.js writes them. */
export function packetProperties(properties: MessageProperties): PacketProperties {
  const { isText, expirySeconds, userProperties, ...same } = properties;
  return {
    ...same,
    ...(isText === undefined ? {} : { payloadFormatIndicator: isText }),
    ...(expirySeconds === undefined ? {} : { messageExpiryInterval: expirySeconds }),
    ...(userProperties === undefined ? {} : { userProperties: copyOf(userProperties) }),
  };
}

function propertiesFrom(properties: PacketProperties): MessageProperties {
  const { contentType, responseTopic, correlationData, userProperties } = properties;
  const { payloadFormatIndicator, messageExpiryInterval } = properties;
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData }),
    ...(payloadFormatIndicator === undefined ? {} : { isText: payloadFormatIndicator }),
    ...(messageExpiryInterval === undefined ? {} : { expirySeconds: messageExpiryInterval }),
    ...(userProperties === undefined ? {} : { userProperties: { ...userProperties } }),
  };
}

function copyOf(userProperties: Readonly<Record<string, string | readonly string[]>>) {
  const copies = Object.entries(userProperties).map(([name, value]): [string, string | string[]] => [
    name,
    typeof value === 'string' ? value : [...value],
  ]);
  return Object.fromEntries(copies);
}
