import { describe, expect, it } from 'vitest';
import { makeRoot } from '../authority.fixture.js';
import { checkLeaf, nameOnlyCertificate, parseCertificate, verifySignedBy } from '../index.js';

describe('a certificate that only carries a name', () => {
  const { subject } = makeRoot().certificate;
  const certificate = parseCertificate(nameOnlyCertificate(subject));

  it('has exactly that name', () => {
    expect(certificate.subject.der).toEqual(subject.der);
  });

  it('can vouch for nobody, not even itself', () => {
    expect(certificate).toMatchObject({ isCa: false, keyUsages: ['keyAgreement'], notAfter: new Date(0) });
    expect(certificate.key).toEqual({ type: 'other', oid: '1.3.101.110' });
    expect(verifySignedBy(certificate, certificate)).toBe(false);
    expect(checkLeaf(certificate).fault).toBe('weak-key');
  });
});
