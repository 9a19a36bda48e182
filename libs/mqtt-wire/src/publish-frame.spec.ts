import { describe, expect, it } from 'vitest';
import { encodePublish, markDuplicate, PublishFrame, type PublishPacket } from './index.js';

const publish: PublishPacket = {
  type: 'publish',
  topic: 'a/b',
  payload: Buffer.from('21.5'),
  qos: 1,
  retain: false,
  isDuplicate: false,
  packetId: 1,
  properties: undefined,
};

describe('a PUBLISH for many receivers', () => {
  it.each([
    ['MQTT 3.1.1', 4, '320b0003612f62123432312e35'],
    ['MQTT 5', 5, '320c0003612f6212340032312e35'],
  ] as const)('gets the packet identifier of each one, in %s', (_, version, expected) => {
    const frame = new PublishFrame(publish, version);
    expect(frame.withPacketId(0x1234).toString('hex')).toBe(expected);
    expect(frame.withPacketId(0x0001)).toEqual(encodePublish(publish, version));
  });

  it.each([0, 100, 110, 125, 16_000, 16_380, 2_097_150])(
    'finds the place of the identifier with %i bytes',
    (length) => {
      const large = { ...publish, payload: Buffer.alloc(length, 'x') };
      const frame = new PublishFrame(large, 4);
      expect(frame.withPacketId(0xffff).equals(encodePublish({ ...large, packetId: 0xffff }, 4))).toBe(true);
    },
  );

  it('is written among other packets', () => {
    const frame = new PublishFrame(publish, 4);
    const gathered = Buffer.alloc(2 * frame.byteLength);
    const middle = frame.copyTo(gathered, 0, 1);
    frame.copyTo(gathered, middle, 2);
    expect(gathered.toString('hex')).toBe('320b0003612f62000132312e35320b0003612f62000232312e35');
  });

  it('is the same for all with QoS 0', () => {
    const frame = new PublishFrame({ ...publish, qos: 0, packetId: 0 }, 4);
    expect(frame.bytes.toString('hex')).toBe('30090003612f6232312e35');
    expect(frame.withPacketId(5)).toEqual(frame.bytes);
  });

  it('lends its bytes to one receiver, and they stay as they are for this one', () => {
    const frame = new PublishFrame(publish, 4);
    const lent = frame.lend(7);
    expect([frame.lend(8), frame.lend(7)]).toEqual([undefined, lent]);
    markDuplicate(frame.withPacketId(9));
    expect(lent?.toString('hex')).toBe('320b0003612f62000732312e35');
  });

  it('lends its bytes to all with QoS 0', () => {
    const frame = new PublishFrame({ ...publish, qos: 0, packetId: 0 }, 4);
    expect([frame.lend(1), frame.lend(2)]).toEqual([frame.bytes, frame.bytes]);
  });

  it('says that it is sent again', () => {
    const again = new PublishFrame({ ...publish, retain: true }, 4).withPacketId(7);
    markDuplicate(again);
    expect(again.toString('hex')).toBe('3b0b0003612f62000732312e35');
  });
});
