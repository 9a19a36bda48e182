import { describe, expect, it } from 'vitest';
import { CoapError } from './exchange.js';
import { FrameReader } from './frame-reader.js';
import { encodeUint } from './option-values.js';
import { type ReceivedRequest, requestOf } from './request-of.js';

const utf8 = (text: string) => Buffer.from(text);
const empty = Buffer.alloc(0);
type Option = readonly [number, Buffer];

function requestWith(options: readonly Option[], code = 0x02): ReceivedRequest {
  const sorted = options.map(([number, value]) => ({ number, value }));
  return requestOf({ code, token: Buffer.from([1]), options: sorted, payload: empty });
}

function faultOf(options: readonly Option[], code?: number): string {
  try {
    requestWith(options, code);
  } catch (error) {
    if (error instanceof CoapError) return `${error.code} ${error.diagnostic}`;
    throw error;
  }
  return 'none';
}

describe('a request (RFC 7252 §5.4)', () => {
  it('is what libcoap sends for a sign-up', () => {
    const options = '72 3d44 43 6f6963 03 736563 07 6163636f756e74 12 2710 52 2710'.replaceAll(' ', '');
    const reader = new FrameReader({ largestBytes: 1_152 });
    reader.push(Buffer.from(`d10e0201${options}ffa0`, 'hex'));
    const message = reader.next();
    if (message === undefined) throw new Error('the frame is not whole');
    expect(requestOf(message)).toMatchObject({
      method: 'POST',
      path: ['oic', 'sec', 'account'],
      query: [],
      contentFormat: 10_000,
      accept: 10_000,
      payload: Buffer.from('a0', 'hex'),
      token: Buffer.from('01', 'hex'),
    });
  });

  it('may have the options that every device of OCF sends, and names of host and port', () => {
    const request = requestWith([
      [3, utf8('gateway.example')],
      [7, encodeUint(15_684)],
      [11, utf8('oic')],
      [258, encodeUint(26)],
      [2_049, encodeUint(2_048)],
      [2_053, encodeUint(2_048)],
    ]);
    expect(request.path).toEqual(['oic']);
  });

  it('has its queries apart, its tags, blocks and sizes', () => {
    const request = requestWith([
      [4, Buffer.from([1])],
      [4, Buffer.from([2])],
      [15, utf8('di=1')],
      [15, utf8('a=b&c=ü')],
      [23, encodeUint(0x16)],
      [27, encodeUint(0x2f)],
      [60, encodeUint(70_000)],
      [292, Buffer.from([9])],
    ]);
    expect(request).toMatchObject({
      etags: [Buffer.from([1]), Buffer.from([2])],
      query: ['di=1', 'a=b&c=ü'],
      block2: { number: 1, hasMore: false, sizeExponent: 6 },
      block1: { number: 2, hasMore: true, sizeExponent: 7 },
      size1: 70_000,
      requestTag: Buffer.from([9]),
    });
  });

  it('observes only with GET (RFC 7641 §2)', () => {
    expect(requestWith([[6, empty]], 0x01).observe).toBe(0);
    expect(requestWith([[6, encodeUint(1)]], 0x01).observe).toBe(1);
    expect(requestWith([[6, empty]], 0x02).observe).toBeUndefined();
  });

  it.each([
    ['FETCH', 0x05, '0.05'],
    ['PATCH', 0x06, '0.06'],
    ['0.31', 0x1f, '0.31'],
    ['class 1', 0x21, '1.01'],
    ['class 3', 0x61, '3.01'],
    ['class 6', 0xdf, '6.31'],
  ])('is answered 4.05 for the method %s', (_, code, name) => {
    expect(faultOf([], code)).toBe(`4.05 unknown method ${name}`);
  });

  it.each<[string, Option[], string]>([
    ['that nobody knows', [[9, empty]], 'critical option 9 is not known'],
    ['that nobody knows, with a large number', [[65_535, empty]], 'critical option 65535 is not known'],
    ['that is too long', [[17, Buffer.alloc(3)]], 'critical option 17 has 3 bytes, not 0 to 2'],
    ['that is too short', [[3, empty]], 'critical option 3 has 0 bytes, not 1 to 255'],
    [
      'that comes twice',
      [
        [17, encodeUint(60)],
        [17, encodeUint(60)],
      ],
      'critical option 17 comes twice',
    ],
    ['Uri-Path of 256 bytes', [[11, Buffer.alloc(256, 'a')]], 'critical option 11 has 256 bytes, not 0 to 255'],
    ['Uri-Query of 256 bytes', [[15, Buffer.alloc(256, 'a')]], 'critical option 15 has 256 bytes, not 0 to 255'],
    ['Uri-Path that is no UTF-8', [[11, Buffer.from([0xc3])]], 'critical option 11 is not UTF-8'],
    ['Uri-Query that is no UTF-8', [[15, Buffer.from([0xff])]], 'critical option 15 is not UTF-8'],
    ['If-Match', [[1, empty]], 'conditional requests are not served: option 1'],
    ['If-None-Match', [[5, empty]], 'conditional requests are not served: option 5'],
    ['Block1 of 4 bytes', [[27, Buffer.alloc(4)]], 'critical option 27 has 4 bytes, not 0 to 3'],
  ])('is answered 4.02 for a critical option %s', (_, options, diagnostic) => {
    expect(faultOf(options)).toBe(`4.02 ${diagnostic}`);
  });

  it.each<[string, Option[]]>([
    [
      'that nobody knows',
      [
        [10, empty],
        [65_534, empty],
      ],
    ],
    ['ETag of 9 bytes', [[4, Buffer.alloc(9)]]],
    ['ETag without bytes', [[4, empty]]],
    ['Content-Format of 3 bytes', [[12, Buffer.alloc(3)]]],
    ['Observe of 4 bytes', [[6, Buffer.alloc(4)]]],
    ['Size1 of 5 bytes', [[60, Buffer.alloc(5)]]],
  ])('ignores an elective option %s', (_, options) => {
    const { etags, contentFormat, observe, size1 } = requestWith(options, 0x01);
    expect({ etags, contentFormat, observe, size1 }).toEqual({});
  });

  it('counts the first of two elective options that may come once', () => {
    expect(
      requestWith([
        [12, encodeUint(60)],
        [12, encodeUint(50)],
      ]).contentFormat,
    ).toBe(60);
  });

  it.each(['', '.', '..', 'a/b', '/'])('is answered 4.00 for the path segment "%s"', (segment) => {
    expect(
      faultOf([
        [11, utf8('oic')],
        [11, utf8(segment)],
      ]),
    ).toBe('4.00 a Uri-Path must not be empty, "." or "..", or hold "/"');
  });

  it.each([35, 39])('is answered 5.05 for option %i of a proxy', (number) => {
    expect(faultOf([[number, utf8('coap://example/')]])).toBe('5.05 this is no proxy');
  });
});
