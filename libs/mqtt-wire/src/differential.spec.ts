import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { encodePacket, type MqttPacket, PacketReader, type Properties, type ProtocolVersion } from './index.js';
import { clientStreams, serverStreams } from './packets.fixture.js';

const seed = 5;
const largestBytes = 65_536;

/** Lets mqtt-packet decode a stream, and encode what it understood. */
function throughMqttPacket(version: ProtocolVersion, stream: Buffer): Buffer {
  const found: Packet[] = [];
  const other = parser({ protocolVersion: version });
  other.on('packet', (packet) => found.push(packet));
  other.on('error', (error) => {
    throw error;
  });
  other.parse(stream);
  return Buffer.concat(found.map((packet) => generate(packet, { protocolVersion: version })));
}

function read(reader: PacketReader, stream: Buffer): MqttPacket[] {
  reader.push(stream);
  const packets: MqttPacket[] = [];
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  return packets;
}

const encode = (version: ProtocolVersion, packets: readonly MqttPacket[]) =>
  Buffer.concat(packets.map((packet) => encodePacket(packet, version)));

/**
 * It does not encode an empty will, user name or password, a password alone, a kept session without a client id, or an MQTT 3.1 client
 * without one. User properties it keeps as a map, which forgets their order and loses an empty name.
 */
function isKnownGap(packet: MqttPacket): boolean {
  if ('properties' in packet && hasMapGap(packet.properties)) return true;
  if (packet.type !== 'connect') return false;
  const { will, userName, password, clientId, version, isClean } = packet;
  if (hasMapGap(will?.properties) || (clientId === '' && (version === 3 || !isClean))) return true;
  if (password?.length === 0 || (password !== undefined && !userName)) return true;
  return userName === '' || will?.payload.length === 0;
}

function hasMapGap(properties: Properties | undefined): boolean {
  const names = properties?.userProperties?.map(([name]) => name) ?? [];
  const inMap = Object.keys(Object.fromEntries(names.map((name) => [name, name])));
  return names.includes('') || inMap.join() !== names.join();
}

describe('mqtt-packet, the codec of MQTT.js,', () => {
  it('understands what we encode for a server, and we what it encodes', () => {
    const property = fc.property(clientStreams, ([version, packets]) => {
      fc.pre(!packets.some(isKnownGap));
      const theirs = throughMqttPacket(version, encode(version, packets));
      expect(read(new PacketReader({ sender: 'client', largestBytes }), theirs)).toEqual(packets);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });

  it('understands what we encode for a client, and we what it encodes', () => {
    const property = fc.property(serverStreams, ([version, packets]) => {
      fc.pre(!packets.some(isKnownGap));
      const theirs = throughMqttPacket(version, encode(version, packets));
      expect(read(new PacketReader({ sender: 'server', version, largestBytes }), theirs)).toEqual(packets);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });
});
