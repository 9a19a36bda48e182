import { describe, expect, it } from 'vitest';
import { certificateDocument } from '../documents.js';
import { oid, readOid } from './oid.js';
import { readBitString, readBoolean, readInteger, readNamedBits, readSmallInteger } from './primitives.js';
import { DerReader } from './reader.js';
import { readString } from './strings.js';
import { readTime, time } from './time.js';
import { integer, namedBits, setOf, tlv, unsignedInteger } from './writer.js';

const reading = (hex: string) => new DerReader(Buffer.from(hex, 'hex'), certificateDocument);
const hexOf = (element: Buffer) => element.toString('hex');

describe('integers (X.690 §8.3)', () => {
  it.each([
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [256, '02020100'],
    [2n ** 64n, '0209010000000000000000'],
  ])('are written in the fewest octets: %s', (value, hex) => {
    expect(hexOf(integer(value))).toBe(hex);
  });

  it('lose leading zeros and gain a sign octet where the top bit is set', () => {
    expect(hexOf(unsignedInteger(Buffer.from('0000ff', 'hex')))).toBe('020200ff');
    expect(hexOf(unsignedInteger(Buffer.alloc(0)))).toBe('020100');
  });

  it.each(['0200', '0202007f', '0202ff80'])('are refused when they are empty or padded: %s', (hex) => {
    expect(() => readInteger(reading(hex))).toThrow(/without octets|not in its shortest form/);
  });

  it.each(['0201ff', '02050100000000'])('are refused as small numbers when negative or large: %s', (hex) => {
    expect(() => readSmallInteger(reading(hex))).toThrow('is not a small number');
  });
});

describe('booleans (X.690 §11.1)', () => {
  it('are 0xff or 0x00 and nothing else', () => {
    expect(readBoolean(reading('0101ff'))).toBe(true);
    expect(readBoolean(reading('010100'))).toBe(false);
    expect(() => readBoolean(reading('010101'))).toThrow('is not a boolean');
    expect(() => readBoolean(reading('0100'))).toThrow('is not a boolean');
  });
});

describe('bit strings (X.690 §11.2)', () => {
  it('are whole octets for keys and signatures', () => {
    expect(hexOf(readBitString(reading('030300abcd')))).toBe('abcd');
    expect(() => readBitString(reading('030301abcc'))).toThrow('with unused bits');
    expect(() => readBitString(reading('0300'))).toThrow('with unused bits');
  });

  it('list named bits without trailing zeros', () => {
    expect(hexOf(namedBits([0]))).toBe('03020780');
    expect(hexOf(namedBits([5, 6]))).toBe('03020106');
    expect(hexOf(namedBits([0, 8]))).toBe('0303078080');
    expect(hexOf(namedBits([]))).toBe('030100');
    expect(readNamedBits(reading('0303078080'))).toEqual([0, 8]);
  });

  it.each(['03020880', '03020181', '030101', '0300'])('are refused with wrong unused bits: %s', (hex) => {
    expect(() => readNamedBits(reading(hex))).toThrow('with wrong unused bits');
  });
});

describe('object identifiers (X.690 §8.19)', () => {
  it.each([
    ['2.5.4.3', '0603550403'],
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['2.999.3', '0603883703'],
    ['0.9.2342.19200300.100.1.25', '060a0992268993f22c640119'],
    ['2.25.329800735698586629295641978511506172918', '06146983f09da7ebcfdee0c7a1a7b2c0948cc8f9d776'],
  ])('%s is %s both ways', (dotted, hex) => {
    expect(hexOf(oid(dotted))).toBe(hex);
    expect(readOid(reading(hex))).toBe(dotted);
  });

  it.each([
    ['0600', 'of a wrong length'],
    ['06025581', 'that ends early'],
    ['0603550480', 'that is not in its shortest form'],
    [`0641${'2a'.repeat(65)}`, 'of a wrong length'],
  ])('are refused when malformed: %s', (hex, reason) => {
    expect(() => readOid(reading(hex))).toThrow(reason);
  });
});

describe('times (RFC 5280 §4.1.2.5)', () => {
  it.each([
    ['2026-11-22T12:00:00Z', '170d3236313132323132303030305a'],
    ['1950-01-01T00:00:00Z', '170d3530303130313030303030305a'],
    ['2049-12-31T23:59:59Z', '170d3439313233313233353935395a'],
    ['2050-01-01T00:00:00Z', '180f32303530303130313030303030305a'],
    ['9999-12-31T23:59:59Z', '180f39393939313233313233353935395a'],
    ['2028-02-29T00:00:00Z', '170d3238303232393030303030305a'],
  ])('%s is written in the type its year asks for', (iso, hex) => {
    expect(hexOf(time(new Date(iso)))).toBe(hex);
    expect(readTime(reading(hex))).toEqual(new Date(iso));
  });

  it('drop the fraction of a second', () => {
    expect(readTime(new DerReader(time(new Date('2026-11-22T12:00:00.999Z')), certificateDocument))).toEqual(
      new Date('2026-11-22T12:00:00Z'),
    );
  });

  it.each([
    ['31 February', '260231000000Z'],
    ['29 February of a common year', '260229000000Z'],
    ['month 13', '261301000000Z'],
    ['day 0', '260100000000Z'],
    ['24 hours', '260101240000Z'],
    ['60 seconds', '260101000060Z'],
  ])('are refused when they do not exist: %s', (_case, digits) => {
    expect(() => readTime(reading(hexOf(tlv(0x17, Buffer.from(digits)))))).toThrow('is not a time that exists');
  });

  it.each(['2601010000Z', '260101000000', '260101000000+0100', '26010100000aZ', '20260101000000Z'])(
    'are refused in another form than UTC to the second: %s',
    (digits) => {
      expect(() => readTime(reading(hexOf(tlv(0x17, Buffer.from(digits)))))).toThrow(
        'is not a time in UTC to the second',
      );
    },
  );

  it.each(['1949-12-31T23:59:59Z', '+010000-01-01T00:00:00Z'])(
    'are not written before 1950 or after 9999: %s',
    (iso) => {
      expect(() => time(new Date(iso))).toThrow('cannot stand in a certificate');
    },
  );
});

describe('strings', () => {
  it.each([
    ['UTF8String', '0c04c3a9e282', undefined],
    ['UTF8String', '0c03e282ac', '€'],
    ['PrintableString', '1302554b', 'UK'],
    ['T61String', '1401e9', 'é'],
    ['BMPString', '1e0420ac0041', '€A'],
    ['UniversalString', '1c040001f600', '\u{1f600}'],
  ])('of type %s (%s) are decoded, or refused when they are not valid in it', (_type, hex, text) => {
    if (text === undefined) expect(() => readString(reading(hex))).toThrow('not valid in its encoding');
    else expect(readString(reading(hex))).toBe(text);
  });

  it.each(['1e0120', '1c03000041', '1c0400110000', '1c040000d800', '1e02d800'])(
    'with half a character are refused: %s',
    (hex) => {
      expect(() => readString(reading(hex))).toThrow('not valid in its encoding');
    },
  );
});

describe('SET OF (X.690 §11.6)', () => {
  it('is written in the order of its encodings', () => {
    expect(hexOf(setOf(Buffer.of(2, 1, 9), Buffer.of(2, 1, 3)))).toBe('3106020103020109');
  });
});
