import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodePacket,
  type MqttPacket,
  PacketError,
  PacketReader,
  type PacketReaderOptions,
  type ProtocolVersion,
  reasonCodes,
} from './index.js';
import { clientStreams, serverStreams } from './packets.fixture.js';

const largestBytes = 65_536;
const seed = 20_170_615;

function readAll(reader: PacketReader, chunks: Iterable<Buffer>): MqttPacket[] {
  const packets: MqttPacket[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  }
  return packets;
}

const encodeAll = (version: ProtocolVersion, packets: readonly MqttPacket[]) =>
  Buffer.concat(packets.map((packet) => encodePacket(packet, version)));

const clientReader = (options: Partial<PacketReaderOptions> = {}) =>
  new PacketReader({ sender: 'client', largestBytes, ...options });

describe('a packet reader', () => {
  it('reads from a client what was encoded, in every version', () => {
    const property = fc.property(clientStreams, ([version, packets]) => {
      expect(readAll(clientReader(), [encodeAll(version, packets)])).toEqual(packets);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });

  it('reads from a server what was encoded, in every version', () => {
    const property = fc.property(serverStreams, ([version, packets]) => {
      const reader = new PacketReader({ sender: 'server', version, largestBytes });
      expect(readAll(reader, [encodeAll(version, packets)])).toEqual(packets);
    });
    fc.assert(property, { seed, numRuns: 500 });
  });

  it('reads the same packets wherever the stream is cut in two', () => {
    const property = fc.property(clientStreams, ([version, packets]) => {
      const stream = encodeAll(version, packets);
      for (let cut = 0; cut <= stream.length; cut += 1)
        expect(readAll(clientReader(), [stream.subarray(0, cut), stream.subarray(cut)])).toEqual(packets);
    });
    fc.assert(property, { seed, numRuns: 10 });
  });

  it('reads the same packets from chunks of any size', () => {
    const property = fc.property(clientStreams, fc.integer({ min: 1, max: 40 }), ([version, packets], size) => {
      const stream = encodeAll(version, packets);
      const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
        stream.subarray(index * size, (index + 1) * size),
      );
      const reader = clientReader();
      expect(readAll(reader, chunks)).toEqual(packets);
      expect(reader.isBetweenPackets).toBe(true);
    });
    fc.assert(property, { seed, numRuns: 200 });
  });

  it('goes over packets without decoding them, and decodes the one that is asked for', () => {
    const property = fc.property(serverStreams, fc.integer({ min: 1, max: 40 }), ([version, packets], size) => {
      const stream = encodeAll(version, packets);
      const reader = new PacketReader({ sender: 'server', version, largestBytes });
      const frames: Buffer[] = [];
      const read: MqttPacket[] = [];
      for (let at = 0; at < stream.length; at += size) {
        reader.push(stream.subarray(at, at + size));
        while (reader.advance()) {
          frames.push(Buffer.from(reader.frame));
          if (frames.length % 2 === 0) read.push(reader.decode());
        }
      }
      expect(frames).toEqual(packets.map((packet) => encodePacket(packet, version)));
      expect(read).toEqual(packets.filter((_, index) => index % 2 === 1));
    });
    fc.assert(property, { seed, numRuns: 200 });
  });

  it('encodes again, byte for byte, what it read', () => {
    const property = fc.property(clientStreams, ([version, packets]) => {
      const stream = encodeAll(version, packets);
      expect(encodeAll(version, readAll(clientReader(), [stream]))).toEqual(stream);
    });
    fc.assert(property, { seed, numRuns: 200 });
  });

  it('answers any bytes with packets or with its error, never with another one', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(3, 4, 5), (noise, version) => {
      for (const sender of ['client', 'server'] as const) {
        const reader = new PacketReader({ sender, version, largestBytes, topicAliasMaximum: 5 });
        expect(outcomeOf(reader, Buffer.from(noise))).toBe('as promised');
      }
    });
    fc.assert(property, { seed, numRuns: 5_000 });
  });

  it('answers well-formed packets with one changed byte with packets or with its error', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    const property = fc.property(clientStreams, change, ([version, packets], [place, value]) => {
      const stream = encodeAll(version, packets);
      stream[place % stream.length] = value;
      expect(outcomeOf(clientReader(), stream)).toBe('as promised');
    });
    fc.assert(property, { seed, numRuns: 3_000 });
  });

  it('says whether it is inside a packet', () => {
    const reader = clientReader({ version: 4 });
    const stream = Buffer.from('30050001616263', 'hex');
    const states = [0, 1, 2, 6].map((cut, index, cuts) => {
      readAll(reader, [stream.subarray(cut, cuts[index + 1])]);
      return reader.isBetweenPackets;
    });
    expect(states).toEqual([false, false, false, true]);
  });

  it('gives the bytes of a packet as they came', () => {
    const stream = Buffer.from('3005000161626330050001617879', 'hex');
    for (const cut of [0, 3, 7, 9]) {
      const reader = clientReader({ version: 4 });
      const frames = [stream.subarray(0, cut), stream.subarray(cut)].flatMap((chunk) => {
        reader.push(chunk);
        const found: string[] = [];
        while (reader.next() !== undefined) found.push(reader.frame.toString('hex'));
        return found;
      });
      expect(frames).toEqual(['30050001616263', '30050001617879']);
    }
  });

  it('gives back what it has not read, also the beginning of a packet', () => {
    const reader = clientReader({ version: 4 });
    reader.push(Buffer.from('c000c000', 'hex'));
    reader.next();
    expect(reader.takeRest().toString('hex')).toBe('c000');
    readAll(reader, [Buffer.from('30050001', 'hex')]);
    reader.push(Buffer.from('616263', 'hex'));
    expect(reader.takeRest().toString('hex')).toBe('30050001616263');
    expect(reader.isBetweenPackets).toBe(true);
  });

  it('takes chunks before the ones before are read', () => {
    const reader = clientReader({ version: 4 });
    for (const chunk of ['c0', '00c0', '003005', '0001616263']) reader.push(Buffer.from(chunk, 'hex'));
    expect(readAll(reader, [Buffer.alloc(0)]).map(({ type }) => type)).toEqual(['pingreq', 'pingreq', 'publish']);
  });

  it('makes no copy of a payload that came in one chunk', () => {
    const chunk = Buffer.from('30050001616263', 'hex');
    const [publish] = readAll(clientReader({ version: 4 }), [chunk]);
    chunk.write('xy', 5);
    expect(publish).toMatchObject({ payload: Buffer.from('xy') });
  });

  it('takes no memory for what a packet only claims', () => {
    const readers = Array.from({ length: 1_000 }, () => clientReader({ version: 4, largestBytes: 268_435_460 }));
    const before = process.memoryUsage().arrayBuffers;
    for (const reader of readers) readAll(reader, [Buffer.from('30ffffff7f000161', 'hex')]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(readers.every((reader) => !reader.isBetweenPackets)).toBe(true);
  });
});

describe('a topic alias', () => {
  // PUBLISH, topic, properties of three bytes: alias 1.
  const withTopic = (topic: string) =>
    Buffer.concat([
      Buffer.from([0x30, 6 + topic.length, 0, topic.length]),
      Buffer.from(topic),
      Buffer.from('03230001', 'hex'),
    ]);

  it('stands for the topic it was given last', () => {
    const reader = clientReader({ version: 5, topicAliasMaximum: 1 });
    const packets = readAll(reader, [withTopic('a'), withTopic(''), withTopic('b'), withTopic('')]);
    expect(packets.map((packet) => packet.type === 'publish' && [packet.topic, packet.properties])).toEqual([
      ['a', undefined],
      ['a', undefined],
      ['b', undefined],
      ['b', undefined],
    ]);
  });

  it('is refused before it has a topic', () => {
    const reader = clientReader({ version: 5, topicAliasMaximum: 1 });
    reader.push(withTopic(''));
    expect(() => reader.next()).toThrow(expect.objectContaining({ reasonCode: reasonCodes.protocolError }));
  });
});

describe('MQTT 3.1', () => {
  const connect = (flags: string) => Buffer.from(`100f00064d51497364700 3${flags}003c000161`.replace(' ', ''), 'hex');

  it('may leave out the user name and the password whose flags are set', () => {
    expect(readAll(clientReader(), [connect('c2')])).toMatchObject([
      { version: 3, clientId: 'a', userName: undefined, password: undefined },
    ]);
  });

  it('may send SUBSCRIBE, UNSUBSCRIBE and PUBREL again with DUP', () => {
    const stream = Buffer.from('8a06000100016100aa0500020001616a020003', 'hex');
    const types = readAll(clientReader({ version: 3 }), [stream]).map(({ type }) => type);
    expect(types).toEqual(['subscribe', 'unsubscribe', 'pubrel']);
  });
});

it('a remaining length may take four bytes before MQTT 5, as some small clients send it', () => {
  const [publish] = readAll(clientReader({ version: 4 }), [
    Buffer.from('3085808000000161 6263'.replace(' ', ''), 'hex'),
  ]);
  expect(publish).toMatchObject({ topic: 'a', payload: Buffer.from('bc') });
});

function outcomeOf(reader: PacketReader, bytes: Buffer): unknown {
  try {
    readAll(reader, [bytes]);
    return 'as promised';
  } catch (error) {
    return error instanceof PacketError ? 'as promised' : error;
  }
}
