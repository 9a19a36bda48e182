import { encodeMessage } from './encode-message.js';
import type { CoapMessage, CoapOption } from './message.js';

const pageBytes = 65_536;

/** Random numbers that are the same for each run with the same seed (xorshift32). */
export class Dice {
  private page: Buffer | undefined;

  constructor(private state: number) {}

  /** 0 to `sides` - 1. */
  roll(sides: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % sides;
  }

  one<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.roll(values.length)] ?? values[0];
  }

  /** A piece of a page of random bytes: to roll each byte would take most of the time. */
  bytes(length: number): Buffer {
    this.page ??= Buffer.from(Uint8Array.from({ length: pageBytes }, () => this.roll(256)));
    const start = this.roll(pageBytes - length);
    return this.page.subarray(start, start + length);
  }
}

// Around each border of the length fields.
const valueLengths = [0, 0, 1, 1, 2, 3, 4, 8, 12, 13, 14, 255, 268, 269, 270] as const;
const payloadLengths = [0, 0, 0, 1, 7, 11, 12, 13, 14, 200, 267, 268, 269, 300] as const;
const deltas = [0, 1, 1, 2, 4, 6, 12, 13, 14, 200, 268, 269, 270, 2_000] as const;

export function anyMessage(dice: Dice): CoapMessage {
  const options: CoapOption[] = [];
  let number = 0;
  for (let left = dice.roll(6); left > 0; left -= 1) {
    number = Math.min(65_535, number + dice.one(deltas));
    options.push({ number, value: dice.bytes(dice.one(valueLengths)) });
  }
  const payload = dice.bytes(dice.one(payloadLengths));
  return { code: dice.roll(256), token: dice.bytes(dice.roll(9)), options, payload };
}

/** Breaks a frame in one of the ways that a peer may break it. */
export function broken(dice: Dice, frame: Buffer): Buffer {
  const at = dice.roll(frame.length);
  switch (dice.roll(5)) {
    case 0:
      return frame.subarray(0, at);
    case 1:
      return Buffer.concat([frame.subarray(0, at), dice.bytes(1 + dice.roll(6)), frame.subarray(at)]);
    case 2:
      return Buffer.concat([Buffer.from([dice.roll(256)]), frame.subarray(1)]);
    case 3:
      return dice.bytes(1 + dice.roll(40));
    default: {
      const changed = Buffer.from(frame);
      changed[at] = dice.roll(256);
      return changed;
    }
  }
}

/** Some frames, one behind the other; the last one is broken in every second stream. */
export function anyStream(dice: Dice): Buffer {
  const frames = Array.from({ length: 1 + dice.roll(8) }, () => encodeMessage(anyMessage(dice)));
  const last = frames.pop() ?? Buffer.alloc(0);
  return Buffer.concat([...frames, dice.roll(2) === 0 ? last : broken(dice, last)]);
}

/** The stream in chunks as a network may deliver it: byte by byte, whole, or anything between. */
export function anyChunks(dice: Dice, stream: Buffer): Buffer[] {
  const mostBytes = dice.one([1, 7, 64, 256, 1_024, 100_000]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const bytes = 1 + dice.roll(mostBytes);
    // As from a socket: the chunk has its own memory, and nobody else changes it.
    chunks.push(Buffer.from(stream.subarray(at, at + bytes)));
    at += bytes;
  }
  return chunks;
}

/** What a reader made of a stream: the messages, and whether it then refused the rest. */
export interface Reading {
  readonly messages: readonly CoapMessage[];
  readonly isRefused: boolean;
}

/** RFC 8323 §3.2 and RFC 7252 §3.1 once more, word by word and slowly, to compare with. */
export function readSlowly(stream: Buffer, largestBytes: number): Reading {
  const messages: CoapMessage[] = [];
  let rest: readonly number[] = [...stream];
  for (;;) {
    const frame = cutFrame(rest, largestBytes);
    if (frame === 'wait') return { messages, isRefused: false };
    if (frame === 'refuse') return { messages, isRefused: true };
    const [code = 0, ...afterCode] = rest.slice(frame.lengthBytes, frame.bytes);
    const body = readBody(afterCode.slice(frame.tokenBytes));
    if (body === undefined) return { messages, isRefused: true };
    messages.push({ code, token: Buffer.from(afterCode.slice(0, frame.tokenBytes)), ...body });
    rest = rest.slice(frame.bytes);
  }
}

interface CutFrame {
  readonly lengthBytes: number;
  readonly tokenBytes: number;
  readonly bytes: number;
}

function cutFrame(bytes: readonly number[], largestBytes: number): CutFrame | 'wait' | 'refuse' {
  const [first, ...others] = bytes;
  if (first === undefined) return 'wait';
  const tokenBytes = first % 16;
  if (tokenBytes > 8) return 'refuse';
  const nibble = Math.floor(first / 16);
  const extra = [1, 2, 4][nibble - 13] ?? 0;
  // The code belongs to the header: without it, nobody knows that the length is whole.
  if (others.length < extra + 1) return 'wait';
  const base = [13, 269, 65_805][nibble - 13];
  const length = base === undefined ? nibble : base + numberIn(others.slice(0, extra));
  const whole = 2 + extra + tokenBytes + length;
  if (whole > largestBytes) return 'refuse';
  return whole > bytes.length ? 'wait' : { lengthBytes: 1 + extra, tokenBytes, bytes: whole };
}

function numberIn(bytes: readonly number[]): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function readBody(body: readonly number[]): Pick<CoapMessage, 'options' | 'payload'> | undefined {
  const options: CoapOption[] = [];
  let rest = body;
  let number = 0;
  while (rest.length > 0 && rest[0] !== 0xff) {
    const [head = 0, ...behind] = rest;
    const delta = extended(Math.floor(head / 16), behind);
    const length = delta && extended(head % 16, delta.rest);
    if (delta === undefined || length === undefined || length.rest.length < length.value) return undefined;
    number += delta.value;
    if (number > 65_535 || options.length === 128) return undefined;
    options.push({ number, value: Buffer.from(length.rest.slice(0, length.value)) });
    rest = length.rest.slice(length.value);
  }
  if (rest.length === 1) return undefined;
  return { options, payload: Buffer.from(rest.slice(1)) };
}

function extended(nibble: number, rest: readonly number[]): { value: number; rest: readonly number[] } | undefined {
  if (nibble < 13) return { value: nibble, rest };
  const bytes = nibble - 12;
  if (nibble === 15 || rest.length < bytes) return undefined;
  return { value: numberIn(rest.slice(0, bytes)) + (nibble === 13 ? 13 : 269), rest: rest.slice(bytes) };
}
