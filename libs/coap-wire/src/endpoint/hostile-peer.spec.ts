import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../encode-message.js';
import type { CoapMessage } from '../message.js';
import { CoapEndpoint } from './coap-endpoint.js';
import { RawPeer } from './raw-peer.fixture.js';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const option = fc.record({ number: fc.nat(300), value: bytes(20) });
// Requests, answers to the request of ours, signals, and codes that mean nothing.
const message: fc.Arbitrary<CoapMessage> = fc.record({
  code: fc.oneof(fc.constantFrom(1, 2, 0x45, 0x5f, 0x84, 0x8d, 0xe1, 0xe2, 0xe3), fc.nat(255)),
  token: fc.oneof(fc.constant(Buffer.from('00000001', 'hex')), bytes(8)),
  options: fc.array(option, { maxLength: 5 }).map((options) => options.sort((one, other) => one.number - other.number)),
  payload: bytes(40),
});
const piece = fc.oneof({ weight: 9, arbitrary: message.map(encodeMessage) }, { weight: 1, arbitrary: bytes(12) });

describe('a peer that sends anything', () => {
  it('gets at most one answer for each request, and keeps nothing open', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const faults: unknown[] = [];
        const [here, there] = duplexPair();
        const peer = new RawPeer(there);
        const endpoint = new CoapEndpoint(here, {
          handler: ({ payload }) => ({ code: '2.05', payload }),
          onFault: (fault) => faults.push(fault),
        });
        const light = { method: 'GET', path: ['light'] } as const;
        const observing = endpoint
          .observe(light, { deadlineMs: 20_000, onNotification: () => undefined })
          .catch(() => undefined);
        for (const bytesOfPiece of pieces) there.write(bytesOfPiece);
        there.end();
        await Promise.all([endpoint.ended, observing]);
        // One request of a piece has at least 2 bytes; CSM, Abort and our own request and its cancellation come on top.
        const requests = pieces.reduce((sum, { length }) => sum + Math.ceil(length / 2), 0);
        expect(peer.unread.length).toBeLessThanOrEqual(requests + 40);
        expect(faults).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});
