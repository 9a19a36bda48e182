import { describe, expect, it } from 'vitest';
import { encodePacket, encodeProperties, PacketError, PacketReader, PublishView } from './index.js';

const message = {
  type: 'publish',
  topic: 'a/b',
  payload: Buffer.from('payload'),
  qos: 1,
  retain: true,
  isDuplicate: true,
  packetId: 0x1234,
  properties: { contentType: 'text/plain', userProperties: [['name', 'value']] },
} as const;

function viewOf(bytes: Buffer, version: 4 | 5): PublishView {
  const reader = new PacketReader({ sender: 'server', version, largestBytes: 1_000 });
  reader.push(Buffer.concat([Buffer.from([0xd0, 0]), bytes]));
  // PINGRESP, so that the PUBLISH does not start the chunk.
  reader.next();
  expect(reader.advance()).toBe(true);
  const view = new PublishView(version);
  view.aim(reader);
  return view;
}

const text = ({ bytes }: PublishView, start: number, end: number) => bytes.toString('latin1', start, end);

describe('a view of a PUBLISH', () => {
  it.each([4, 5] as const)('finds every field of a packet of MQTT %d without a copy', (version) => {
    const view = viewOf(encodePacket(message, version), version);
    expect(view).toMatchObject({ qos: 1, isRetained: true, isDuplicate: true, packetId: 0x1234 });
    expect(text(view, view.topicStart, view.topicEnd)).toBe('a/b');
    expect(text(view, view.payloadStart, view.end)).toBe('payload');
    expect(view.byteLength).toBe(encodePacket(message, version).length);
  });

  it('decodes topic and properties when it is asked', () => {
    const view = viewOf(encodePacket(message, 5), 5);
    expect(view.topic()).toBe('a/b');
    expect(view.hasProperties).toBe(true);
    expect(view.properties()).toEqual(message.properties);
    expect(view.bytes.subarray(view.propertiesStart, view.payloadStart)).toEqual(encodeProperties(message.properties));
  });

  it('has no properties where there are none', () => {
    const view = viewOf(encodePacket({ ...message, properties: undefined }, 5), 5);
    expect(view.hasProperties).toBe(false);
    expect(view.properties()).toBeUndefined();
    expect(text(view, view.payloadStart, view.end)).toBe('payload');
  });

  it('finds no packet identifier with QoS 0', () => {
    const view = viewOf(encodePacket({ ...message, qos: 0, isDuplicate: false }, 4), 4);
    expect(view).toMatchObject({ qos: 0, packetId: 0 });
    expect(text(view, view.payloadStart, view.end)).toBe('payload');
  });

  it.each([
    ['QoS 3', '36050001610001'],
    ['DUP with QoS 0', '3803000161'],
    ['a topic that is longer than the packet', '3003000261'],
    ['a topic length that is cut', '300100'],
    ['no room for the packet identifier', '320400016100'],
    ['packet identifier 0', '32050001610000'],
    ['properties that are longer than the packet', '30060001610526aa'],
    ['no property length', '3003000161'],
    ['a property length of five bytes', '3008000161ffffffff01'],
  ])('refuses %s', (_what, hex) => {
    expect(() => viewOf(Buffer.from(hex, 'hex'), 5)).toThrow(PacketError);
  });

  it.each([
    ['an empty topic', '30030000' + '00'],
    ['a topic with a wildcard', '30040001' + '2300'],
    ['a topic that is no UTF-8', '30040001' + 'ff00'],
  ])('refuses %s when the topic is asked for', (_what, hex) => {
    expect(() => viewOf(Buffer.from(hex, 'hex'), 5).topic()).toThrow(PacketError);
  });

  it('refuses a property that does not belong into PUBLISH when the properties are asked for', () => {
    // 0x21: Receive Maximum.
    expect(() => viewOf(Buffer.from('3007000161' + '03210001', 'hex'), 5).properties()).toThrow(PacketError);
  });
});
