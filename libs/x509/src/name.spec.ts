import { describe, expect, it } from 'vitest';
import { oid } from './der/oid.js';
import { DerReader } from './der/reader.js';
import { asciiString, bitString, sequence, setOf, utf8String } from './der/writer.js';
import { certificateDocument } from './documents.js';
import { encodeSubject, readName } from './name.js';
import { oids } from './oids.js';

const attribute = (type: string, value: Buffer) => sequence(oid(type), value);
const nameOf = (...rdns: Buffer[]) => readName(new DerReader(sequence(...rdns), certificateDocument));
const commonName = (text: string) => nameOf(setOf(attribute(oids.commonName, utf8String(text))));

describe('names as text (RFC 4514)', () => {
  it('puts the last relative name first', () => {
    expect(
      readName(new DerReader(encodeSubject({ organization: 'Acme', commonName: 'gw-1' }), certificateDocument)).text,
    ).toBe('CN=gw-1,O=Acme');
  });

  it.each([
    ['a, b', 'CN=a\\, b'],
    ['a=b', 'CN=a=b'],
    ['"a"+<b>;\\', 'CN=\\"a\\"\\+\\<b\\>\\;\\\\'],
    [' a ', 'CN=\\ a\\ '],
    ['a\\ ', 'CN=a\\\\\\ '],
    [' ', 'CN=\\ '],
    ['#1', 'CN=\\#1'],
    ['a\0b', 'CN=a\\00b'],
    ['a\nb', 'CN=a\\0ab'],
    ['a\u202eb', 'CN=a\\e2\\80\\aeb'],
    ['Müller', 'CN=Müller'],
  ])('writes %j as %s', (value, text) => {
    expect(commonName(value).text).toBe(text);
  });

  it('joins the attributes of one relative name with a plus sign', () => {
    const name = nameOf(
      setOf(
        attribute(oids.organizationalUnitName, utf8String('HR + CN=evil')),
        attribute(oids.commonName, utf8String('good')),
      ),
    );
    expect(name.text).toBe('CN=good+OU=HR \\+ CN=evil');
    expect(name.commonNames).toEqual(['good']);
  });

  it('writes attributes without a short name by their identifier, and values that are no strings in hexadecimal', () => {
    expect(nameOf(setOf(attribute('2.5.4.45', bitString(Buffer.of(1)))))).toMatchObject({
      text: '2.5.4.45=\\#03020001',
      attributes: [{ oid: '2.5.4.45', name: '2.5.4.45', value: '#03020001' }],
    });
  });

  it('lists every common name in the order of the encoding', () => {
    const two = nameOf(
      setOf(attribute(oids.commonName, utf8String('one'))),
      setOf(attribute(oids.commonName, asciiString(0x13, 'two'))),
    );
    expect(two.commonNames).toEqual(['one', 'two']);
  });

  it('is empty for an empty name', () => {
    expect(nameOf()).toMatchObject({ text: '', attributes: [], commonNames: [] });
  });

  it('refuses a relative name without attributes', () => {
    expect(() => nameOf(setOf())).toThrow('a relative name needs an attribute');
  });
});

describe('writing a subject', () => {
  it('encodes organization, unit and common name as UTF8String, one a relative name', () => {
    expect(encodeSubject({ organization: 'A', organizationalUnit: 'B', commonName: 'C' }).toString('hex')).toBe(
      '3024310a3008060355040a0c0141310a3008060355040b0c0142310a300806035504030c0143',
    );
  });

  it.each([
    ['is empty', ''],
    ['is longer than 64 characters', 'x'.repeat(65)],
    ['begins or ends with a space', 'a '],
    ['holds a control character', 'a\u0007b'],
    ['holds a control character', 'a\u200bb'],
    ['is not in Unicode normal form C', 'e\u0301'],
  ])('refuses a common name that %s', (fault, commonNameText) => {
    expect(() => encodeSubject({ commonName: commonNameText })).toThrow(fault);
  });

  it('counts characters, not bytes', () => {
    expect(encodeSubject({ commonName: '\u{1f600}'.repeat(64) })).toHaveLength(277);
  });
});
