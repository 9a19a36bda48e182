import { describe, expect, it } from 'vitest';
import { PacketReader, type ProtocolVersion, reasonCodes } from './index.js';

const largestBytes = 1_000;

/** Hexadecimal with spaces, and text in quotes: `10 03 'abc'`. */
function bytes(text: string): Buffer {
  const parts = text.match(/'[^']*'|[0-9a-f]{2}/g) ?? [];
  return Buffer.concat(
    parts.map((part) => (part.startsWith("'") ? Buffer.from(part.slice(1, -1)) : Buffer.from(part, 'hex'))),
  );
}

function refusal(packet: string, version?: ProtocolVersion): unknown {
  const reader = new PacketReader({ sender: 'client', largestBytes, ...(version === undefined ? {} : { version }) });
  reader.push(bytes(packet));
  try {
    return reader.next();
  } catch (error) {
    return error;
  }
}

const { malformedPacket, protocolError, topicNameInvalid, topicFilterInvalid, topicAliasInvalid } = reasonCodes;

describe('a CONNECT packet', () => {
  it.each([
    ['has a protocol name nobody knows', "10 0c 00 04 'MQTS' 04 02 00 00 00 00", protocolError],
    ['has the name of MQTT 3.1 and the level of 3.1.1', "10 0e 00 06 'MQIsdp' 04 02 00 00 00 00", protocolError],
    [
      'asks for a protocol level nobody knows',
      "10 0c 00 04 'MQTT' 06 02 00 00 00 00",
      reasonCodes.unsupportedProtocolVersion,
    ],
    [
      'asks for the bridge mode of Mosquitto',
      "10 0c 00 04 'MQTT' 84 02 00 00 00 00",
      reasonCodes.unsupportedProtocolVersion,
    ],
    ['has its reserved flag set', "10 0c 00 04 'MQTT' 04 03 00 00 00 00", malformedPacket],
    ['has flags in its fixed header', "11 0c 00 04 'MQTT' 04 02 00 00 00 00", malformedPacket],
    ['has a QoS of the will and no will', "10 0c 00 04 'MQTT' 04 0a 00 00 00 00", malformedPacket],
    ['has retain of the will and no will', "10 0c 00 04 'MQTT' 04 22 00 00 00 00", malformedPacket],
    ['has a will with QoS 3', "10 11 00 04 'MQTT' 04 1e 00 00 00 00 00 01 'w' 00 00", malformedPacket],
    ['has a will topic with a wildcard', "10 13 00 04 'MQTT' 04 06 00 00 00 00 00 03 'w/#' 00 00", topicNameInvalid],
    ['has an empty will topic', "10 10 00 04 'MQTT' 04 06 00 00 00 00 00 00 00 00", topicNameInvalid],
    ['has a will topic with U+0000', "10 13 00 04 'MQTT' 04 06 00 00 00 00 00 03 'w' 00 'w' 00 00", malformedPacket],
    ['has a password and no user name', "10 0f 00 04 'MQTT' 04 42 00 00 00 00 00 01 'p'", malformedPacket],
    ['ends before its user name', "10 0c 00 04 'MQTT' 04 82 00 00 00 00", malformedPacket],
    ['ends inside its client id', "10 0d 00 04 'MQTT' 04 02 00 00 00 05 'a'", malformedPacket],
    ['ends inside its protocol name', "10 04 00 04 'MQ'", malformedPacket],
    ['has bytes behind its last field', "10 0d 00 04 'MQTT' 04 02 00 00 00 00 00", malformedPacket],
    ['has a client id with a lone surrogate', "10 0f 00 04 'MQTT' 04 02 00 00 00 03 ed a0 80", malformedPacket],
    ['has an overlong slash in its client id', "10 0e 00 04 'MQTT' 04 02 00 00 00 02 c0 af", malformedPacket],
    ['is empty', '10 00', malformedPacket],
  ])('is refused when it %s', (_, packet, reasonCode) => {
    expect(refusal(packet)).toMatchObject({ name: 'PacketError', reasonCode });
  });

  it.each([
    ['an unknown property', "10 0f 00 04 'MQTT' 05 02 00 00 02 7f 00 00 00", malformedPacket],
    ['a property of another packet', "10 10 00 04 'MQTT' 05 02 00 00 03 23 00 01 00 00", malformedPacket],
    ['receive maximum 0', "10 10 00 04 'MQTT' 05 02 00 00 03 21 00 00 00 00", protocolError],
    ['maximum packet size 0', "10 12 00 04 'MQTT' 05 02 00 00 05 27 00 00 00 00 00 00", protocolError],
    ['the same property twice', "10 13 00 04 'MQTT' 05 02 00 00 06 21 00 01 21 00 01 00 00", protocolError],
    ['a request for problem information of 2', "10 0f 00 04 'MQTT' 05 02 00 00 02 17 02 00 00", protocolError],
    ['authentication data and no method', "10 10 00 04 'MQTT' 05 02 00 00 03 16 00 00 00 00", protocolError],
    ['properties longer than the packet', "10 0d 00 04 'MQTT' 05 02 00 00 7f 00 00", malformedPacket],
    ['a property that ends behind the properties', "10 0f 00 04 'MQTT' 05 02 00 00 02 21 00 01 00", malformedPacket],
    ['a property length that needs fewer bytes', "10 0e 00 04 'MQTT' 05 02 00 00 80 00 00 00", malformedPacket],
  ])('of MQTT 5 is refused with %s', (_, packet, reasonCode) => {
    expect(refusal(packet)).toMatchObject({ name: 'PacketError', reasonCode });
  });
});

describe('a packet of a client', () => {
  it.each([
    ['of the reserved type 0', '00 00', protocolError],
    ['AUTH before MQTT 5', 'f0 00', protocolError],
    ['CONNACK, which only a server sends', '20 02 00 00', protocolError],
    ['SUBACK, which only a server sends', '90 03 00 01 00', protocolError],
    ['UNSUBACK, which only a server sends', 'b0 02 00 01', protocolError],
    ['PINGRESP, which only a server sends', 'd0 00', protocolError],
    ['a second CONNECT', "10 0c 00 04 'MQTT' 04 02 00 00 00 00", protocolError],
    ['PUBLISH with QoS 3', "36 05 00 01 'a' 00 01", malformedPacket],
    ['PUBLISH with QoS 0 and DUP', "38 03 00 01 'a'", malformedPacket],
    ['PUBLISH with packet identifier 0', "32 05 00 01 'a' 00 00", protocolError],
    ['PUBLISH with QoS 1 that ends before its packet identifier', "32 03 00 01 'a'", malformedPacket],
    ['PUBLISH with a topic longer than the packet', "30 03 00 05 'a'", malformedPacket],
    ['PUBLISH with an empty topic', '30 02 00 00', protocolError],
    ['PUBLISH to a topic with +', "30 05 00 03 'a/+'", topicNameInvalid],
    ['PUBLISH to a topic with #', "30 04 00 02 'a#'", topicNameInvalid],
    ['PUBLISH to a topic with U+0000', "30 05 00 03 'a' 00 'b'", malformedPacket],
    ['PUBLISH to a topic with a control character', "30 05 00 03 'a' 1f 'b'", malformedPacket],
    ['PUBLISH to a topic with a C1 control character', '30 04 00 02 c2 85', malformedPacket],
    ['PUBLISH to a topic with a noncharacter', '30 05 00 03 ef bf bf', malformedPacket],
    ['PUBLISH to a topic with a lone surrogate', '30 05 00 03 ed a0 80', malformedPacket],
    ['PUBLISH to a topic with a byte that UTF-8 has not', '30 03 00 01 ff', malformedPacket],
    ['PUBLISH to a topic with an overlong U+0000', '30 04 00 02 c0 80', malformedPacket],
    ['PUBACK with packet identifier 0', '40 02 00 00', protocolError],
    ['PUBACK of one byte', '40 01 00', malformedPacket],
    ['PUBACK with a reason code before MQTT 5', '40 03 00 01 00', malformedPacket],
    ['PUBREL without its flags', '60 02 00 01', malformedPacket],
    ['SUBSCRIBE without its flags', "80 06 00 01 00 01 'a' 00", malformedPacket],
    ['SUBSCRIBE with packet identifier 0', "82 06 00 00 00 01 'a' 00", protocolError],
    ['SUBSCRIBE without a filter', '82 02 00 01', protocolError],
    ['SUBSCRIBE without the QoS of its filter', "82 05 00 01 00 01 'a'", malformedPacket],
    ['SUBSCRIBE with QoS 3', "82 06 00 01 00 01 'a' 03", malformedPacket],
    ['SUBSCRIBE with reserved options', "82 06 00 01 00 01 'a' 04", malformedPacket],
    ['SUBSCRIBE to a+', "82 07 00 01 00 02 'a+' 00", topicFilterInvalid],
    ['SUBSCRIBE to a#', "82 07 00 01 00 02 'a#' 00", topicFilterInvalid],
    ['SUBSCRIBE to #/a', "82 08 00 01 00 03 '#/a' 00", topicFilterInvalid],
    ['SUBSCRIBE to nothing', '82 05 00 01 00 00 00', topicFilterInvalid],
    ['SUBSCRIBE to a share without a filter', "82 0d 00 01 00 08 '$share/x' 00", topicFilterInvalid],
    ['UNSUBSCRIBE without a filter', 'a2 02 00 01', protocolError],
    ['UNSUBSCRIBE from a+', "a2 06 00 01 00 02 'a+'", topicFilterInvalid],
    ['PINGREQ with a body', 'c0 01 00', malformedPacket],
    ['DISCONNECT with a body before MQTT 5', 'e0 01 00', malformedPacket],
    ['with a remaining length of five bytes', '30 80 80 80 80 01', malformedPacket],
  ])('is refused: %s', (_, packet, reasonCode) => {
    expect(refusal(packet, 4)).toMatchObject({ name: 'PacketError', reasonCode });
  });

  it.each([
    ['PUBLISH with a subscription identifier', "30 06 00 01 'a' 02 0b 01", protocolError],
    ['PUBLISH with topic alias 0', "30 07 00 01 'a' 03 23 00 00", topicAliasInvalid],
    ['PUBLISH with a topic alias nobody allowed', "30 07 00 01 'a' 03 23 00 01", topicAliasInvalid],
    ['PUBLISH with an empty topic and no alias', '30 03 00 00 00', protocolError],
    ['PUBLISH with a wildcard in its response topic', "30 08 00 01 'a' 04 08 00 01 '#'", protocolError],
    ['PUBLISH with a payload format of 2', "30 06 00 01 'a' 02 01 02", protocolError],
    ['PUBACK with an undefined reason code', '40 03 00 01 01', protocolError],
    ['PUBREL with the reason code of another packet', '62 03 00 01 10', protocolError],
    ['SUBSCRIBE with subscription identifier 0', "82 09 00 01 02 0b 00 00 01 'a' 00", protocolError],
    ['SUBSCRIBE with two subscription identifiers', "82 0b 00 01 04 0b 01 0b 02 00 01 'a' 00", protocolError],
    ['SUBSCRIBE with retain handling 3', "82 07 00 01 00 00 01 'a' 30", protocolError],
    ['SUBSCRIBE with reserved options', "82 07 00 01 00 00 01 'a' 40", malformedPacket],
    ['a shared SUBSCRIBE without messages of its own', "82 10 00 01 00 00 0a '$share/s/a' 04", protocolError],
    ['DISCONNECT with an undefined reason code', 'e0 01 01', protocolError],
    ['AUTH with an undefined reason code', 'f0 01 02', protocolError],
    ['a remaining length that needs fewer bytes', 'c0 80 00', malformedPacket],
  ])('of MQTT 5 is refused: %s', (_, packet, reasonCode) => {
    expect(refusal(packet, 5)).toMatchObject({ name: 'PacketError', reasonCode });
  });

  it.each([
    ['PUBLISH', "30 03 00 01 'a'"],
    ['PINGREQ', 'c0 00'],
    ['DISCONNECT', 'e0 00'],
    ['a TLS client hello', '16 03 01 02 00 01'],
    ['an HTTP request', "'GET / HTTP/1.1'"],
  ])('is refused before CONNECT: %s', (_, packet) => {
    expect(refusal(packet)).toMatchObject({ name: 'PacketError' });
  });

  it('is refused at its fixed header when it is larger than the limit', () => {
    expect(refusal('30 ff ff ff 7f', 4)).toMatchObject({ reasonCode: reasonCodes.packetTooLarge });
    expect(refusal('30 e6 07', 4)).toMatchObject({ reasonCode: reasonCodes.packetTooLarge });
    expect(refusal('30 e5 07', 4)).toBeUndefined();
  });

  it('has a smaller limit while it is CONNECT', () => {
    const reader = new PacketReader({ sender: 'client', largestBytes, largestConnectBytes: 100 });
    reader.push(bytes('10 63'));
    expect(() => reader.next()).toThrow('CONNECT of 101 bytes is larger than the limit of 100 bytes');
  });

  it('is the last one that is read when it was refused', () => {
    const reader = new PacketReader({ sender: 'client', largestBytes, version: 4 });
    reader.push(bytes('00 00 c0 00'));
    expect(() => reader.next()).toThrow('packet type 0');
    expect(() => reader.next()).toThrow('packet type 0');
  });
});

describe('a packet of a server', () => {
  it.each([
    ['CONNECT', "10 0c 00 04 'MQTT' 04 02 00 00 00 00"],
    ['SUBSCRIBE', "82 06 00 01 00 01 'a' 00"],
    ['UNSUBSCRIBE', "a2 05 00 01 00 01 'a'"],
    ['PINGREQ', 'c0 00'],
    ['CONNACK with reserved flags', '20 02 02 00'],
    ['SUBACK with an undefined reason code', '90 03 00 01 03'],
    ['SUBACK without a reason code', '90 02 00 01'],
  ])('is refused: %s', (_, packet) => {
    const reader = new PacketReader({ sender: 'server', largestBytes, version: 4 });
    reader.push(bytes(packet));
    expect(() => reader.next()).toThrow(expect.objectContaining({ name: 'PacketError' }));
  });
});
