import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketMeter } from './packet-meter.js';

/** A PUBLISH whose body has so many bytes. */
function packet(bodyLength: number): Buffer {
  const length: number[] = [];
  for (let rest = bodyLength; ; rest = Math.floor(rest / 128)) {
    length.push(rest >= 128 ? (rest % 128) + 128 : rest);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([0x30, ...length]), Buffer.alloc(bodyLength, 0x82)]);
}

describe('packet meter', () => {
  it.each([0, 1, 127, 128, 16_383, 16_384])('lets a packet of %i bytes through', (length) => {
    expect(new PacketMeter(16_384).accept(packet(length))).toBe(true);
  });

  it('stops a packet one byte over the limit, before its body has come', () => {
    expect(new PacketMeter(16_384).accept(packet(16_385).subarray(0, 4))).toBe(false);
  });

  it('stops a length that does not end after four bytes', () => {
    expect(new PacketMeter(268_435_455).accept(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]))).toBe(false);
  });

  it('finds the oversized packet among others, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 })),
        (lengths, cuts) => {
          const bytes = Buffer.concat(lengths.map(packet));
          const meter = new PacketMeter(250);
          let accepted = true;
          for (let offset = 0, turn = 0; accepted && offset < bytes.length; turn++) {
            const end = offset + (cuts[turn % cuts.length] ?? 7);
            accepted = meter.accept(bytes.subarray(offset, end));
            offset = end;
          }
          expect(accepted).toBe(lengths.every((length) => length <= 250));
        },
      ),
    );
  });
});
