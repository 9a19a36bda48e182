import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMessage } from './encode-message.js';
import { CoapError } from './exchange.js';
import { FrameError } from './frame-error.js';
import { FrameReader } from './frame-reader.js';
import { anyChunks, anyStream, Dice, type Reading, readSlowly } from './frames.fixture.js';
import type { CoapMessage } from './message.js';
import { kindOf } from './message.js';
import { requestOf } from './request-of.js';
import { responseOf } from './response-of.js';
import { SignalError, signalOf } from './signals.js';

/** `npm run prove -- coap-frames` reads more. */
const frames = Number(process.env['SALLYPORT_FRAMES'] ?? 100_000);
const timeout = 10_000 + frames;
const largestBytes = 2_048;
// Compiled code and caches come and go beside it. In the proof, a reader that kept 8 bytes of each frame would show.
const mostGrownBytes = 8_000_000;

function readChunks(chunks: readonly Buffer[]): Reading {
  const reader = new FrameReader({ largestBytes });
  const messages: CoapMessage[] = [];
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
    }
    return { messages, isRefused: false };
  } catch (error) {
    if (error instanceof FrameError) return { messages, isRefused: true };
    throw error;
  }
}

/** Reads a message as what it claims to be. It may be refused, and nothing else may happen. */
function understand(message: CoapMessage): void {
  try {
    const kind = kindOf(message);
    if (kind === 'request') requestOf(message);
    if (kind === 'response') responseOf(message);
    if (kind === 'signal') signalOf(message);
  } catch (error) {
    if (!(error instanceof CoapError || error instanceof SignalError)) throw error;
  }
}

/** Bytes in use once garbage is gone. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function readGenerated(dice: Dice, wanted: number): void {
  for (let count = 0; count < wanted; ) {
    const { messages } = readChunks(anyChunks(dice, anyStream(dice)));
    for (const message of messages) understand(message);
    count += Math.max(1, messages.length);
  }
}

describe('generated frames, half of them broken', () => {
  it('are read in any chunks as a slow reader reads them whole', { timeout }, () => {
    const dice = new Dice(8_323);
    for (let count = 0; count < frames / 50; ) {
      const stream = anyStream(dice);
      const reading = readChunks(anyChunks(dice, stream));
      expect(reading).toEqual(readSlowly(stream, largestBytes));
      count += Math.max(1, reading.messages.length);
    }
  });

  it('are read or refused, never crash or hang, and leave nothing behind', { timeout }, () => {
    const dice = new Dice(7_252);
    readGenerated(dice, frames / 10);
    const before = bytesInUse();
    readGenerated(dice, frames - frames / 10);
    expect(bytesInUse() - before).toBeLessThan(mostGrownBytes);
  });
});

describe('messages', () => {
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((each) => Buffer.from(each));
  const option = fc.record({ number: fc.nat(65_535), value: bytes(300) });
  const message = fc.record({
    code: fc.nat(255),
    token: bytes(8),
    options: fc.array(option, { maxLength: 10 }).map((all) => all.toSorted((one, other) => one.number - other.number)),
    payload: bytes(300),
  });

  it('are read as they were written', () => {
    fc.assert(
      fc.property(message, (written) => {
        const frame = encodeMessage(written);
        const reader = new FrameReader({ largestBytes: frame.length });
        reader.push(frame);
        expect(reader.next()).toEqual(written);
        expect(reader.isBetweenFrames).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are written as they were read, when they are as short as they can be', () => {
    const dice = new Dice(1);
    for (let count = 0; count < 2_000; count += 1) {
      const { messages } = readChunks([anyStream(dice)]);
      const frames = messages.map(encodeMessage);
      expect(readChunks(frames).messages).toEqual(messages);
    }
  });
});
