import { describe, expect, it } from 'vitest';
import { FrameError } from './frame-error.js';
import { FrameReader } from './frame-reader.js';
import type { CoapMessage } from './message.js';

const largestBytes = 1_024;
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function readAll(reader: FrameReader): CoapMessage[] {
  const messages: CoapMessage[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  return messages;
}

function readerOf(...chunks: readonly Buffer[]): FrameReader {
  const reader = new FrameReader({ largestBytes });
  for (const chunk of chunks) {
    reader.push(chunk);
    expect(readAll(reader)).toEqual([]);
  }
  return reader;
}

const ping = hex('02e2aabb');

describe('a stream of frames (RFC 8323 §3.2)', () => {
  it('may come byte by byte', () => {
    const reader = new FrameReader({ largestBytes });
    const messages: CoapMessage[] = [];
    for (const byte of Buffer.concat([ping, hex('718101ff64656e696564'), ping])) {
      reader.push(Buffer.from([byte]));
      messages.push(...readAll(reader));
    }
    expect(messages.map(({ code }) => code)).toEqual([0xe2, 0x81, 0xe2]);
    expect(messages[1]?.payload.toString()).toBe('denied');
    expect(reader.isBetweenFrames).toBe(true);
  });

  it('may come with fifty frames at once', () => {
    const reader = new FrameReader({ largestBytes });
    reader.push(Buffer.concat(Array.from({ length: 50 }, () => ping)));
    expect(readAll(reader)).toHaveLength(50);
  });

  it('is read on where it was left, when the next bytes come', () => {
    const reader = new FrameReader({ largestBytes });
    reader.push(Buffer.concat([ping, ping]));
    expect(reader.next()?.code).toBe(0xe2);
    reader.push(Buffer.concat([ping, ping.subarray(0, 2)]));
    expect(readAll(reader)).toHaveLength(2);
    expect(reader.isBetweenFrames).toBe(false);
    reader.push(ping.subarray(2));
    expect(readAll(reader)).toHaveLength(1);
  });

  it('may have empty frames', () => {
    const reader = new FrameReader({ largestBytes });
    reader.push(hex('0000 0000'));
    expect(readAll(reader).map(({ code }) => code)).toEqual([0, 0]);
  });

  it.each([9, 10, 11, 12, 13, 14, 15])('is refused for a token of %i bytes, before it comes', (length) => {
    expect(() => readerOf(Buffer.from([length]))).toThrow(
      new FrameError(`a token of ${length} bytes is longer than 8 bytes`),
    );
  });

  it.each([
    ['one byte too long', 'e0 02f0 02', 'a message of 1025 bytes is larger than the limit of 1024 bytes'],
    ['4 GB long', 'f0 ffffffff 02', 'a message of 4295033106 bytes is larger than the limit of 1024 bytes'],
    [
      'so long that 32 bits wrap around',
      'f0 fffefef3 02',
      'a message of 4294967302 bytes is larger than the limit of 1024 bytes',
    ],
  ])('is refused for a frame that is %s, before its body comes', (_, header, fault) => {
    expect(() => readerOf(hex(header))).toThrow(new FrameError(fault));
  });

  it('may have a frame that is as long as allowed', () => {
    const reader = readerOf(hex('e0 02ef 02'));
    reader.push(Buffer.concat([hex('ff'), Buffer.alloc(1_019)]));
    expect(reader.next()?.payload).toHaveLength(1_019);
  });

  it('may have 128 options in a frame, and no more', () => {
    const reader = new FrameReader({ largestBytes });
    reader.push(Buffer.concat([hex('d0 73 02'), Buffer.alloc(128, 0x10)]));
    expect(reader.next()?.options).toHaveLength(128);
    reader.push(Buffer.concat([hex('d0 74 02'), Buffer.alloc(129, 0x10)]));
    expect(() => reader.next()).toThrow(new FrameError('a message has more than 128 options'));
  });

  it.each([
    ['an option whose delta is the reserved value', '1002 f0', 'the reserved value 15 is the delta of an option'],
    ['an option whose length is the reserved value', '1002 0f', 'the reserved value 15 is the length of an option'],
    ['an option that ends inside its delta', '1002 d0', 'a message ends inside the delta of an option'],
    ['an option that ends inside its long delta', '2002 e001', 'a message ends inside the delta of an option'],
    ['an option that ends inside its length', '1002 0d', 'a message ends inside the length of an option'],
    ['an option that ends inside its value', '3002 b36f69', 'a message ends inside option 11'],
    ['a marker without payload', '1002 ff', 'a payload marker has no payload behind it'],
    ['a marker without payload behind options', '2002 b0ff', 'a payload marker has no payload behind it'],
    ['an option number above 65535', '3002 e0fff2', 'option number 65791 is larger than 65535'],
    [
      'option numbers that add up to more than 65535',
      '7002 e0ffff e0ffff 00',
      'option number 65804 is larger than 65535',
    ],
    ['two deltas that add up to 65536', '4002 e0fef2 10', 'option number 65536 is larger than 65535'],
  ])('is refused for %s', (_, frame, fault) => {
    const reader = new FrameReader({ largestBytes });
    reader.push(hex(frame));
    expect(() => readAll(reader)).toThrow(new FrameError(fault));
  });

  it('is not read any more once it was refused', () => {
    const reader = new FrameReader({ largestBytes });
    reader.push(hex('1002 ff'));
    expect(() => reader.next()).toThrow(FrameError);
    reader.push(ping);
    expect(() => reader.next()).toThrow(new FrameError('a payload marker has no payload behind it'));
  });

  it('takes memory for what came, not for what a frame claims', () => {
    const reader = new FrameReader({ largestBytes: 1_000_000_000 });
    const before = process.memoryUsage().arrayBuffers;
    reader.push(hex('f0 3b000000 02'));
    expect(reader.next()).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});
