import { serialNumber } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { ecKeyPair, makeSite, now, thrownBy } from '../authority.fixture.js';
import { oid } from '../der/oid.js';
import { time } from '../der/time.js';
import { bitString, booleanTrue, enumerated, integer, octetString, sequence } from '../der/writer.js';
import {
  buildCrl,
  CrlBuilder,
  derFromPem,
  newSerialNumber,
  parseCrl,
  type RevokedEntry,
  verifyCrlSignedBy,
} from '../index.js';
import { oids } from '../oids.js';
import { vector } from '../vectors.fixture.js';
import { revocationReasons } from './revoked-entry.js';

const { root, issuing, device } = makeSite();
const nextUpdate = new Date('2026-11-29T12:00:00Z');
const crlOf = (entries: readonly RevokedEntry[], crlNumber = 1n) =>
  buildCrl({
    issuer: issuing.certificate,
    privateKey: issuing.privateKey,
    entries,
    crlNumber,
    thisUpdate: now,
    nextUpdate,
  });
const vectorCrl = (path: string) => {
  const content = vector(path);
  const [der = content] = derFromPem(content.toString('latin1'), 'X509 CRL');
  return parseCrl(der);
};

/** A CRL with one entry and an invalid signature. */
function crlWithEntryExtensions(...extensions: readonly Buffer[]): Buffer {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const entry = sequence(integer(1), time(now), sequence(...extensions));
  const content = sequence(integer(1), algorithm, issuing.certificate.subject.der, time(now), sequence(entry));
  return sequence(content, algorithm, bitString(Buffer.alloc(64)));
}

describe('a CRL we make (RFC 5280 §5)', () => {
  it('lists what was revoked, when and why, under its number and the key of its issuer', () => {
    const entries = [
      { serialNumber: device.certificate.serialNumber, revokedAt: now, reason: 'keyCompromise' },
      { serialNumber: serialNumber.parse('ff01'), revokedAt: new Date('2026-01-02T03:04:05Z') },
    ] as const;
    const crl = parseCrl(crlOf(entries, 2n ** 100n));
    expect(crl).toMatchObject({
      signatureAlgorithm: 'ecdsa-with-SHA256',
      thisUpdate: now,
      nextUpdate,
      crlNumber: 2n ** 100n,
      authorityKeyIdentifier: issuing.certificate.subjectKeyIdentifier,
      entries,
      unknownCriticalExtensions: [],
    });
    expect(verifyCrlSignedBy(crl, issuing.certificate)).toBe(true);
    expect(verifyCrlSignedBy(crl, root.certificate)).toBe(false);
  });

  it('is empty without entries', () => {
    expect(parseCrl(crlOf([])).entries).toEqual([]);
  });

  it.each(revocationReasons.filter((reason) => reason !== 'unspecified'))('carries the reason %s', (reason) => {
    const entry = { serialNumber: newSerialNumber(), revokedAt: now, reason };
    expect(parseCrl(crlOf([entry])).entries).toEqual([entry]);
  });

  it('leaves the reason out when it is unspecified', () => {
    const entry = { serialNumber: newSerialNumber(), revokedAt: now };
    expect(parseCrl(crlOf([{ ...entry, reason: 'unspecified' }])).entries).toEqual([entry]);
  });

  it('is the same made in pieces, apart from its signature', () => {
    const entries = Array.from({ length: 5 }, () => ({ serialNumber: newSerialNumber(), revokedAt: now }));
    const builder = new CrlBuilder();
    for (const piece of [entries.slice(0, 2), [], entries.slice(2)]) builder.add(piece);
    const { certificate, privateKey } = issuing;
    const der = builder.sign({ issuer: certificate, privateKey, crlNumber: 1n, thisUpdate: now, nextUpdate });
    expect(builder.entryCount).toBe(5);
    expect(parseCrl(der).tbsCertList).toEqual(parseCrl(crlOf(entries)).tbsCertList);
    expect(verifyCrlSignedBy(parseCrl(der), certificate)).toBe(true);
  });

  it('takes 35 octets an entry, also with a hundred thousand of them', () => {
    const revokedAt = now;
    const entries = Array.from({ length: 100_000 }, () => ({ serialNumber: newSerialNumber(), revokedAt }));
    const empty = crlOf([]).length;
    expect((crlOf(entries).length - empty) / entries.length).toBeCloseTo(35, 1);
  });

  it.each([
    ['number 0', { crlNumber: 0n }, 'invalid-request'],
    ['a number of more than 20 octets', { crlNumber: 1n << 159n }, 'invalid-request'],
    ['an end before its beginning', { nextUpdate: now }, 'invalid-request'],
    ['a key that does not pair', { privateKey: ecKeyPair().privateKey }, 'signing-key-unavailable'],
    ['an issuer that is no CA', { issuer: device.certificate }, 'signing-key-unavailable'],
  ])('is not made with %s', (_case, changes, type) => {
    const options = { issuer: issuing.certificate, privateKey: issuing.privateKey, crlNumber: 1n, thisUpdate: now };
    expect(thrownBy(() => buildCrl({ ...options, entries: [], nextUpdate, ...changes }))).toMatchObject({ type });
  });
});

describe('a CRL made elsewhere', () => {
  it('is read without nextUpdate', () => {
    expect(vectorCrl('x509/custom/crl_no_next_update.pem').nextUpdate).toBeUndefined();
  });

  it('says that it is not a full one, when it is partitioned or a delta', () => {
    expect(vectorCrl('x509/custom/crl_idp_only_ca.pem').unknownCriticalExtensions).toEqual(['2.5.29.28']);
    expect(vectorCrl('x509/custom/crl_delta_crl_indicator.pem').unknownCriticalExtensions).toEqual(['2.5.29.27']);
  });

  it('says that it is not one we read, when an entry holds a critical extension nobody here knows', () => {
    const certificateIssuer = sequence(oid('2.5.29.29'), booleanTrue(), octetString(sequence()));
    expect(parseCrl(crlWithEntryExtensions(certificateIssuer)).unknownCriticalExtensions).toEqual(['2.5.29.29']);
  });

  it('is refused with two reasons in one entry', () => {
    const reason = sequence(oid(oids.reasonCode), octetString(enumerated(1)));
    expect(() => parseCrl(crlWithEntryExtensions(reason, reason))).toThrow('holds extension 2.5.29.21 twice');
  });

  it.each([
    ['a reason for deltas only', 'x509/custom/crl_all_reasons.pem', 'is a reason code, 8,'],
    ['a reason nobody defined', 'x509/custom/crl_unsupported_reason.pem', 'is a reason code, 12,'],
    ['a version that is not 2', 'x509/custom/crl_bad_version.pem', 'is a version that is not 2'],
    ['a time that does not exist', 'x509/custom/crl_invalid_time.der', 'is not a time'],
    ['a negative serial number', 'x509/PKITS_data/crls/NegativeSerialNumberCACRL.crl', 'is negative'],
  ])('is refused with %s', (_case, path, reason) => {
    expect(thrownBy(() => vectorCrl(path))).toMatchObject({
      type: 'certificate-rejected',
      message: expect.stringContaining(reason),
    });
  });
});
