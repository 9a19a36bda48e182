import { describe, expect, it } from 'vitest';
import { CoapError } from './exchange.js';
import { encodeUint } from './option-values.js';
import { responseOf } from './response-of.js';

const empty = Buffer.alloc(0);
const answer = (code: number, options: readonly (readonly [number, Buffer])[] = []) => ({
  code,
  token: empty,
  options: options.map(([number, value]) => ({ number, value })),
  payload: empty,
});

describe('an answer of a peer (RFC 7252 §5.9)', () => {
  it('has its options', () => {
    const message = answer(0x45, [
      [4, Buffer.from([7])],
      [6, encodeUint(12)],
      [8, Buffer.from('a')],
      [8, Buffer.from('b')],
      [12, encodeUint(10_000)],
      [14, encodeUint(60)],
      [23, encodeUint(0x0e)],
      [28, encodeUint(5_000)],
    ]);
    expect(responseOf(message)).toEqual({
      code: '2.05',
      payload: empty,
      etag: Buffer.from([7]),
      observe: 12,
      locationPath: ['a', 'b'],
      contentFormat: 10_000,
      maxAge: 60,
      block2: { number: 0, hasMore: true, sizeExponent: 6 },
      size2: 5_000,
    });
  });

  it.each([
    ['4.22', 0x96, '4.00'],
    ['5.31', 0xbf, '5.00'],
  ])('with the unknown error %s counts as the first of its class', (_, code, counted) => {
    expect(responseOf(answer(code)).code).toBe(counted);
  });

  it.each<[string, ReturnType<typeof answer>, string]>([
    ['an unknown success', answer(0x5e), 'the answer has unknown code 2.30'],
    ['an unknown critical option', answer(0x45, [[9, empty]]), 'critical option 9 is not known'],
    ['a Block2 that is too long', answer(0x45, [[23, Buffer.alloc(4)]]), 'critical option 23 has 4 bytes, not 0 to 3'],
  ])('is not used with %s', (_, message, diagnostic) => {
    expect(() => responseOf(message)).toThrow(new CoapError('5.02', diagnostic));
  });
});
