import { describe, expect, it } from 'vitest';
import { makeSite } from '../authority.fixture.js';
import { oid } from '../der/oid.js';
import { sequence, tlv } from '../der/writer.js';
import { decodeCertsOnly, encodeCertsOnly } from '../index.js';
import { oids } from '../oids.js';

const { device, issuing, root } = makeSite();
const chain = [device.certificate.der, issuing.certificate.der, root.certificate.der];
const endOfContents = Buffer.of(0, 0);
const indefinite = (tag: number, ...contents: Buffer[]) =>
  Buffer.concat([Buffer.of(tag, 0x80), ...contents, endOfContents]);

/** The envelope that Cumulocity sends: all lengths are indefinite, and content octets are in chunks. */
const berEnvelope = indefinite(
  0x30,
  oid(oids.pkcs7SignedData),
  indefinite(
    0xa0,
    indefinite(
      0x30,
      Buffer.of(2, 1, 1),
      indefinite(0x31),
      indefinite(0x30, oid(oids.pkcs7Data), indefinite(0xa0, indefinite(0x24, Buffer.of(4, 1, 0x61)))),
      indefinite(0xa0, ...chain),
      indefinite(0x31),
    ),
  ),
);

describe('certs-only messages (RFC 5652 §5, RFC 7030 §4.1.3)', () => {
  it('keep the certificates and their order', () => {
    expect(decodeCertsOnly(encodeCertsOnly(chain))).toEqual(chain);
  });

  it('are exactly this envelope', () => {
    expect(encodeCertsOnly([Buffer.from('3003020105', 'hex')]).toString('hex')).toBe(
      '302a06092a864886f70d010702a01d301b0201013100300b06092a864886f70d010701a00530030201053100',
    );
  });

  it('are read in BER with indefinite lengths, as Cumulocity sends them', () => {
    expect(decodeCertsOnly(berEnvelope)).toEqual(chain);
  });

  it('are read when CRLs and signers come with them', () => {
    const signedData = sequence(
      Buffer.of(2, 1, 1),
      tlv(0x31),
      sequence(oid(oids.pkcs7Data)),
      tlv(0xa0, ...chain, tlv(0xa1, Buffer.of(5, 0))),
      tlv(0xa1, sequence()),
      tlv(0x31, sequence()),
    );
    expect(decodeCertsOnly(sequence(oid(oids.pkcs7SignedData), tlv(0xa0, signedData)))).toEqual(chain);
  });

  it('may hold no certificate', () => {
    const signedData = sequence(Buffer.of(2, 1, 1), tlv(0x31), sequence(oid(oids.pkcs7Data)), tlv(0x31));
    expect(decodeCertsOnly(sequence(oid(oids.pkcs7SignedData), tlv(0xa0, signedData)))).toEqual([]);
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'has not the tag 0x30'],
    ['another content type', sequence(oid(oids.pkcs7Data), tlv(0xa0, sequence())), 'is not a SignedData'],
    ['an end that is missing', berEnvelope.subarray(0, -2), 'ends early'],
    ['a length beyond the end', Buffer.from('300506', 'hex'), 'is longer than what holds it'],
    ['a length of five octets', Buffer.from('30850000000000', 'hex'), 'has a length of more than 4 octets'],
    ['more than 16 levels', Buffer.alloc(200, Buffer.of(0x30, 0x80)), 'nests deeper than 16 levels'],
    ['a tag of several bytes', Buffer.from('30801f8101000000', 'hex'), 'has a tag of several bytes'],
  ])('are refused with %s', (_case, der, reason) => {
    expect(() => decodeCertsOnly(der)).toThrow(
      expect.objectContaining({ type: 'certificate-rejected', message: expect.stringContaining(reason) }),
    );
  });

  it('are refused above 1 MiB before they are read', () => {
    expect(() => decodeCertsOnly(Buffer.alloc(1024 * 1024 + 1))).toThrow('the limit is 1048576');
  });
});
