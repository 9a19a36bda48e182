import { CoapError } from '@sallyport/coap-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CborValue, decodeCbor, encodeCbor } from './cbor.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function faultOf(body: Buffer): string {
  try {
    decodeCbor(body);
  } catch (error) {
    if (error instanceof CoapError) return `${error.code} ${error.diagnostic}`;
    throw error;
  }
  return 'none';
}

describe('bodies of devices in CBOR (RFC 8949)', () => {
  it.each<[string, string, CborValue]>([
    ['a map with a length', 'a1 65 7374617465 f5', { state: true }],
    ['a map with a break', 'bf 65 7374617465 f5 ff', { state: true }],
    ['an array with a break', '9f 01 20 f6 ff', [1, -1, null]],
    ['an empty map', 'a0', {}],
    ['keys in any order', 'a2 6162 01 6161 02', { b: 1, a: 2 }],
    ['numbers that are longer than they need to be', '82 1800 1900ff', [0, 255]],
    ['a length that is longer than it needs to be', '7801 61', 'a'],
    ['floating point numbers of each size', '83 f93e00 fa3fc00000 fb3ff8000000000000', [1.5, 1.5, 1.5]],
    [
      'the largest integers',
      '82 1b001fffffffffffff 3b001ffffffffffffe',
      [9_007_199_254_740_991, -9_007_199_254_740_991],
    ],
    ['integers that are rounded', '82 1b0020000000000001 3bffffffffffffffff', [9_007_199_254_740_992, -(2 ** 64)]],
    ['an integer that is rounded in a map in an array', '81 a1 6161 1bffffffffffffffff', [{ a: 2 ** 64 }]],
    ['numbers that JSON does not have', '82 f97e00 f97c00', [Number.NaN, Number.POSITIVE_INFINITY]],
    ['undefined, as null', '81 f7', [null]],
    ['a byte string', '43 010203', new Uint8Array([1, 2, 3])],
  ])('reads %s', (_, body, value) => {
    expect(decodeCbor(hex(body))).toEqual(value);
  });

  it.each([
    ['an empty body', '', 'it is empty'],
    ['JSON', Buffer.from('{"di":"a"}').toString('hex'), 'it ends too early'],
    ['a second value', 'a0 a0', '1 bytes follow the value'],
    ['an array that is longer than the body', '9b 00000001 00000000', 'it ends too early'],
    ['a string that is longer than the body', '7a ffffffff 61', 'it ends too early'],
    ['a string of 2^64 - 1 bytes', '5b ffffffffffffffff', 'it ends too early'],
    ['an array without its break', '9f 01', 'it ends too early'],
    [
      'a map that breaks between key and value',
      'bf 6161 ff',
      'it has a simple value other than false, true, null and undefined',
    ],
    ['a break alone', 'ff', 'it has a simple value other than false, true, null and undefined'],
    ['a key twice', 'a2 6161 01 6161 02', 'a map has a key twice'],
    ['a key that is a number', 'a1 01 01', 'a key of a map is no text'],
    ['the key __proto__', 'a1 695f5f70726f746f5f5f a0', 'a key of a map is "__proto__"'],
    ['text in chunks', '7f 6161 ff', 'it has a string in chunks'],
    ['bytes in chunks', '5f 4101 ff', 'it has a string in chunks'],
    ['a tag', 'c0 6161', 'it has a tag'],
    ['another simple value', 'f8 ff', 'it has a simple value other than false, true, null and undefined'],
    ['a reserved head', '1c', 'it has a reserved head'],
    ['text that is no UTF-8', '61 ff', 'it has text that is no UTF-8'],
    ['33 levels', '81'.repeat(33), 'it is deeper than 32 levels'],
    ['100,000 levels', '81'.repeat(100_000), 'it is deeper than 32 levels'],
    ['100,000 levels without length', '9f'.repeat(100_000), 'it is deeper than 32 levels'],
    ['32,768 values in an array', `998000${'a0'.repeat(32_768)}`, 'it has more than 32768 items'],
  ])('refuses %s with 4.00', (_, body, fault) => {
    expect(faultOf(hex(body))).toBe(`4.00 cbor: ${fault}`);
  });

  it('says nothing of a body that it refuses', () => {
    const body = Buffer.concat([hex('a2 66'), Buffer.from('secret'), hex('01 66'), Buffer.from('secret'), hex('02')]);
    expect(faultOf(body)).not.toContain('secret');
  });

  it('writes what devices expect, byte for byte', () => {
    expect(encodeCbor({ expiresin: -1 }).toString('hex')).toBe('a16965787069726573696e20');
    expect(encodeCbor({ state: true }).toString('hex')).toBe('a1657374617465f5');
    expect(encodeCbor({}).toString('hex')).toBe('a0');
    expect(encodeCbor({ ttl: undefined, di: 'a' }).toString('hex')).toBe('a162646961 61'.replace(' ', ''));
  });

  it('reads back what it wrote', () => {
    const key = fc.string().filter((text) => text !== '__proto__');
    const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
        fc.string({ unit: 'grapheme' }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (written) => {
        expect(decodeCbor(encodeCbor(written))).toEqual(written);
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses or reads any bytes, and never fails in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(faultOf(Buffer.from(bytes))).toMatch(/^(none|4\.00 cbor: .+)$/);
      }),
      { numRuns: 20_000 },
    );
  });
});
