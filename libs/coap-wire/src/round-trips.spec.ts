import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Block } from './blocks/block-option.js';
import { type Method, type ResponseCode, responseCodes } from './codes.js';
import { encodeMessage } from './encode-message.js';
import { FrameReader } from './frame-reader.js';
import type { CoapMessage } from './message.js';
import { requestOf } from './request-of.js';
import { responseOf } from './response-of.js';
import { messageOfRequest, messageOfResponse } from './to-message.js';

const runs = { numRuns: 2_000 };
const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((each) => Buffer.from(each));
const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((text) => text !== '.' && text !== '..' && !text.includes('/') && Buffer.byteLength(text) <= 255);
const queryPart = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => Buffer.byteLength(text) <= 255);
const block: fc.Arbitrary<Block> = fc.record({
  number: fc.nat(2 ** 20 - 1),
  hasMore: fc.boolean(),
  sizeExponent: fc.nat(7),
});
const codes = Object.keys(responseCodes).filter((name): name is ResponseCode => Object.hasOwn(responseCodes, name));

function throughWire(message: CoapMessage): CoapMessage {
  const reader = new FrameReader({ largestBytes: 262_144 });
  reader.push(encodeMessage(message));
  const read = reader.next();
  if (read === undefined) throw new Error('the frame is not whole');
  return read;
}

describe('what is written', () => {
  const request = fc.record(
    {
      method: fc.constantFrom<Method>('GET', 'POST', 'PUT', 'DELETE'),
      path: fc.array(segment, { maxLength: 5 }),
      query: fc.array(queryPart, { maxLength: 5 }),
      contentFormat: fc.nat(65_535),
      accept: fc.nat(65_535),
      etags: fc.array(bytes(1, 8), { minLength: 1, maxLength: 3 }),
      payload: bytes(0, 300),
    },
    { requiredKeys: ['method', 'path', 'query', 'payload'] },
  );
  const requestEnvelope = fc.record(
    {
      token: bytes(0, 8),
      block1: block,
      block2: block,
      size1: fc.nat(2 ** 31 - 1),
      requestTag: bytes(0, 8),
    },
    { requiredKeys: ['token'] },
  );

  it('is read again: requests', () => {
    fc.assert(
      fc.property(request, requestEnvelope, (written, envelope) => {
        expect(requestOf(throughWire(messageOfRequest(written, envelope)))).toEqual({ ...written, ...envelope });
      }),
      runs,
    );
  });

  const response = fc.record(
    {
      code: fc.constantFrom(...codes),
      contentFormat: fc.nat(65_535),
      observe: fc.nat(2 ** 24 - 1),
      etag: bytes(1, 8),
      maxAge: fc.nat(2 ** 31 - 1),
      locationPath: fc.array(segment, { minLength: 1, maxLength: 5 }),
      payload: bytes(0, 300),
    },
    { requiredKeys: ['code', 'payload'] },
  );
  const responseEnvelope = fc.record(
    { block1: block, block2: block, size1: fc.nat(2 ** 31 - 1), size2: fc.nat(2 ** 31 - 1) },
    { requiredKeys: [] },
  );

  it('is read again: answers', () => {
    fc.assert(
      fc.property(response, responseEnvelope, bytes(0, 8), (written, envelope, token) => {
        const message = throughWire(messageOfResponse(written, { ...envelope, token }));
        expect(message.token).toEqual(token);
        expect(responseOf(message)).toEqual({ ...written, ...envelope });
      }),
      runs,
    );
  });
});
