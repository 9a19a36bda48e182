import { lengthBases } from './frame-header.js';
import type { CoapMessage, CoapOption } from './message.js';

/**
 * Writes a message as one frame (RFC 8323 §3.2).
 *
 * @param message its options sorted by number; its token of at most 8 bytes
 */
export function encodeMessage(message: CoapMessage): Buffer {
  const { code, token, options, payload } = message;
  const bodyBytes = encodedBodyBytes(message);
  const frame = Buffer.allocUnsafe(2 + extensionBytes(bodyBytes) + token.length + bodyBytes);
  let at = writeLength(frame, bodyBytes, token.length);
  frame[at] = code;
  frame.set(token, at + 1);
  at = writeOptions(frame, at + 1 + token.length, options);
  if (payload.length === 0) return frame;
  frame[at] = 0xff;
  frame.set(payload, at + 1);
  return frame;
}

/** The whole frame, as Max-Message-Size counts (RFC 8323 §5.3.1). */
export function encodedBytes(message: CoapMessage): number {
  const bodyBytes = encodedBodyBytes(message);
  return 2 + extensionBytes(bodyBytes) + message.token.length + bodyBytes;
}

function encodedBodyBytes({ options, payload }: CoapMessage): number {
  return encodedOptionsBytes(options) + (payload.length > 0 ? 1 + payload.length : 0);
}

function encodedOptionsBytes(options: readonly CoapOption[]): number {
  let bytes = 0;
  let former = 0;
  for (const { number, value } of options) {
    bytes += 1 + optionExtensionBytes(number - former) + optionExtensionBytes(value.length) + value.length;
    former = number;
  }
  return bytes;
}

function extensionBytes(bodyBytes: number): number {
  if (bodyBytes < lengthBases.oneByte) return 0;
  if (bodyBytes < lengthBases.twoBytes) return 1;
  return bodyBytes < lengthBases.fourBytes ? 2 : 4;
}

function writeLength(frame: Buffer, bodyBytes: number, tokenBytes: number): number {
  switch (extensionBytes(bodyBytes)) {
    case 0:
      frame[0] = (bodyBytes << 4) | tokenBytes;
      return 1;
    case 1:
      frame[0] = 0xd0 | tokenBytes;
      frame[1] = bodyBytes - lengthBases.oneByte;
      return 2;
    case 2:
      frame[0] = 0xe0 | tokenBytes;
      return frame.writeUInt16BE(bodyBytes - lengthBases.twoBytes, 1);
    default:
      frame[0] = 0xf0 | tokenBytes;
      return frame.writeUInt32BE(bodyBytes - lengthBases.fourBytes, 1);
  }
}

function writeOptions(frame: Buffer, start: number, options: readonly CoapOption[]): number {
  let at = start;
  let former = 0;
  for (const { number, value } of options) {
    const delta = number - former;
    frame[at] = (optionNibble(delta) << 4) | optionNibble(value.length);
    at = writeOptionExtension(frame, at + 1, delta);
    at = writeOptionExtension(frame, at, value.length);
    frame.set(value, at);
    at += value.length;
    former = number;
  }
  return at;
}

function optionNibble(value: number): number {
  if (value < 13) return value;
  return value < 269 ? 13 : 14;
}

function optionExtensionBytes(value: number): number {
  if (value < 13) return 0;
  return value < 269 ? 1 : 2;
}

function writeOptionExtension(frame: Buffer, at: number, value: number): number {
  if (value < 13) return at;
  if (value >= 269) return frame.writeUInt16BE(value - 269, at);
  frame[at] = value - 13;
  return at + 1;
}
