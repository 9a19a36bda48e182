import { describe, expect, it } from 'vitest';
import { altNameFault } from './alt-name-rules.js';
import { DerReader } from './der/reader.js';
import { sequence, tlv } from './der/writer.js';
import { certificateDocument } from './documents.js';
import { encodeGeneralNames, readGeneralNames } from './general-name.js';
import { derFromPem, parseCertificate, type SubjectAltName } from './index.js';
import { vector } from './vectors.fixture.js';

const reading = (element: Buffer) => readGeneralNames(new DerReader(element, certificateDocument));

describe('alternative names (RFC 5280 §4.2.1.6)', () => {
  it.each<[SubjectAltName['type'], string, string]>([
    ['dns', 'gw.example', '820a67772e6578616d706c65'],
    ['uri', 'spiffe://a/b', '860c7370696666653a2f2f612f62'],
    ['email', 'a@b.example', '810b6140622e6578616d706c65'],
    ['ip', '192.0.2.1', '8704c0000201'],
    ['ip', '::', '871000000000000000000000000000000000'],
    ['ip', '::1', '871000000000000000000000000000000001'],
    ['ip', '2001:db8::1', '871020010db8000000000000000000000001'],
    ['ip', '2001:db8:0:1:1:1:1:1', '871020010db8000000010001000100010001'],
    ['ip', '2001:0:0:1::1', '871020010000000000010000000000000001'],
    ['ip', '2001:db8::1:0:0:1', '871020010db8000000000001000000000001'],
    ['ip', 'fe80::', '8710fe800000000000000000000000000000'],
  ])('%s %s is %s both ways', (type, value, hex) => {
    const element = encodeGeneralNames([{ type, value }]);
    expect(element.subarray(2).toString('hex')).toBe(hex);
    expect(reading(element)).toEqual([{ type, value }]);
  });

  it('names kinds that are not issued by what they are', () => {
    const content = vector('x509/requests/../san_x400address.der');
    expect(parseCertificate(content).subjectAltNames[0]).toMatchObject({
      type: 'other',
      value: expect.stringMatching(/^#a3/),
    });
    const custom = vector('x509/custom/san_other_name.pem').toString();
    expect(parseCertificate(derFromPem(custom, 'CERTIFICATE')[0] ?? Buffer.alloc(0)).subjectAltNames).toEqual([
      { type: 'other', value: 'otherName:1.2.3.4' },
    ]);
  });

  it.each([
    ['an empty list', sequence()],
    ['an address of five octets', sequence(tlv(0x87, Buffer.alloc(5)))],
    ['a DNS name outside ASCII', sequence(tlv(0x82, Buffer.from('ü')))],
    ['a DNS name with a NUL in it', sequence(tlv(0x82, Buffer.from('good.example\0.evil.example')))],
    ['a URI with a line feed in it', sequence(tlv(0x86, Buffer.from('spiffe://a/device/b\n')))],
    ['a mail address with an escape sequence in it', sequence(tlv(0x81, Buffer.from('\u001b[2Ja@b.example')))],
  ])('refuses %s', (_case, element) => {
    expect(() => reading(element)).toThrow('Certificate rejected');
  });

  it.each<SubjectAltName>([
    { type: 'ip', value: '192.0.2.256' },
    { type: 'ip', value: '192.0.2' },
    { type: 'ip', value: 'fe80::1%eth0' },
    { type: 'ip', value: '::ffff:192.0.2.1' },
    { type: 'dns', value: '' },
    { type: 'dns', value: 'a b' },
    { type: 'uri', value: 'https://ü.example' },
    { type: 'other', value: 'otherName:1.2.3' },
  ])('does not encode $type "$value"', (name) => {
    expect(() => encodeGeneralNames([name])).toThrow(expect.objectContaining({ type: 'invalid-request' }));
  });
});

describe('what an alternative name may be', () => {
  it.each<[SubjectAltName['type'], string]>([
    ['dns', 'localhost'],
    ['dns', 'gw-1.example.com'],
    ['dns', 'xn--mller-kva.example'],
    ['dns', `${'a'.repeat(63)}.example`],
    ['dns', `${`${'a'.repeat(61)}.`.repeat(4)}example`.slice(-253)],
    ['ip', '10.0.0.1'],
    ['ip', '2001:db8::1'],
    ['uri', 'spiffe://sallyport.local/device/child%3A01'],
    ['uri', 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'],
    ['uri', 'https://example.com'],
    ['uri', 'https://[2001:db8::1]:8443/a?b#c'],
  ])('%s %s is permitted', (type, value) => {
    expect(altNameFault({ type, value }, { permitsWildcard: false })).toBeUndefined();
  });

  it.each<[SubjectAltName['type'], string, string]>([
    ['dns', 'Gw.example', 'is not a host name'],
    ['dns', 'a_b.example', 'is not a host name'],
    ['dns', 'gw.example.', 'is not a host name'],
    ['dns', '-a.example', 'is not a host name'],
    ['dns', 'a..example', 'is not a host name'],
    ['dns', `${'a'.repeat(64)}.example`, 'is not a host name'],
    ['dns', `${'a'.repeat(63)}.`.repeat(4).slice(0, -1), 'is longer than 253 characters'],
    ['dns', '*.example', 'is not a host name'],
    ['dns', '10.0.0.1', 'is a number where a host name belongs'],
    ['dns', 'xn--0.example', 'is not a valid A-label'],
    ['dns', 'ab--c.example', 'is not a valid A-label'],
    ['ip', '0.0.0.0', 'is the unspecified address'],
    ['ip', '::', 'is the unspecified address'],
    ['ip', '224.0.0.1', 'is a multicast or reserved address'],
    ['ip', '255.255.255.255', 'is a multicast or reserved address'],
    ['ip', 'ff02::1', 'is a multicast or reserved address'],
    ['uri', '/relative', 'is not an absolute URI'],
    ['uri', 'urn:', 'is not an absolute URI'],
    ['uri', 'https:///path', 'is not an absolute URI'],
    ['uri', 'https://a.example/<b>', 'is not an absolute URI'],
    ['email', 'a@b.example', 'is of a type that is not issued'],
  ])('%s %s is not: it %s', (type, value, fault) => {
    expect(altNameFault({ type, value }, { permitsWildcard: false })).toContain(fault);
  });

  it.each([
    ['*.example.com', undefined],
    ['a*.example.com', 'is not a host name'],
    ['a.*.example.com', 'is not a host name'],
    ['*', 'is not a host name'],
  ])('%s is judged as a wildcard where the profile permits one', (value, fault) => {
    const found = altNameFault({ type: 'dns', value }, { permitsWildcard: true });
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(fault);
  });
});
