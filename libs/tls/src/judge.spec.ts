import { describe, expect, it } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { trusting } from './fixtures/site.js';
import { type HandshakeEvidence, judge } from './judge.js';
import { TrustStore } from './trust-store.js';

/** A good handshake of dev-1, changed by what a test is about. */
function judged(change: Partial<HandshakeEvidence>) {
  const ca = forgeCa('fleet');
  return judge(
    { isResumed: false, leaf: forgeDevice('dev-1', ca).der, presented: [], ...change },
    { clientCertificate: 'required', trust: new TrustStore(trusting(ca)), chainCertificates: 10, now: new Date() },
  );
}

describe('the judgement of a handshake', () => {
  it('is good for a leaf of a trusted CA', () => {
    expect(judged({})).toMatchObject({ outcome: 'candidate', candidate: { deviceId: 'dev-1', kind: 'device' } });
  });

  it('refuses a resumed session, whatever certificate is said to belong to it', () => {
    expect(judged({ isResumed: true })).toEqual({ outcome: 'refused', reason: 'session-reused' });
  });

  it('refuses a leaf that is no certificate', () => {
    expect(judged({ leaf: Buffer.from('garbage') })).toMatchObject({
      outcome: 'refused',
      reason: 'certificate-malformed',
    });
  });

  it('does not stumble over a presented certificate that is none', () => {
    expect(judged({ presented: [Buffer.from('garbage')] })).toMatchObject({ outcome: 'candidate' });
  });

  it('refuses a leaf whose CA our own search does not find, though OpenSSL found one', () => {
    expect(judged({ leaf: forgeDevice('dev-1', forgeCa('fleet')).der })).toMatchObject({
      outcome: 'refused',
      reason: 'issuer-unknown',
    });
  });

  it('refuses a leaf that another leaf vouches for, though OpenSSL accepted it', () => {
    const ca = forgeCa('fleet');
    const device = forgeDevice('dev-1', ca);
    const rules = { trust: new TrustStore(trusting(ca)), chainCertificates: 10, now: new Date() };
    const evidence = { isResumed: false, leaf: forgeDevice('dev-2', device).der, presented: [device.der] };

    expect(judge(evidence, { ...rules, clientCertificate: 'required' })).toMatchObject({ reason: 'issuer-unknown' });
  });

  it.each([
    ['UNABLE_TO_GET_ISSUER_CERT', 'unable to get issuer certificate', 'chain-incomplete'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unable to get local issuer certificate', 'issuer-unknown'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate', 'issuer-unknown'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', 'issuer-unknown'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', 'issuer-unknown'],
    ['CERT_UNTRUSTED', 'certificate not trusted', 'issuer-unknown'],
    ['CERT_SIGNATURE_FAILURE', 'certificate signature failure', 'chain-invalid'],
    ['CERT_NOT_YET_VALID', 'certificate is not yet valid', 'certificate-not-yet-valid'],
    ['CERT_HAS_EXPIRED', 'certificate has expired', 'issuer-expired'],
    ['CERT_CHAIN_TOO_LONG', 'certificate chain too long', 'chain-too-long'],
    ['CERT_REVOKED', 'certificate revoked', 'certificate-revoked'],
    ['INVALID_CA', 'invalid CA certificate', 'issuer-unfit'],
    ['PATH_LENGTH_EXCEEDED', 'path length constraint exceeded', 'chain-invalid'],
    ['INVALID_PURPOSE', 'unsuitable certificate purpose', 'issuer-unfit'],
    ['UNSPECIFIED', 'EE certificate key too weak', 'weak-key'],
    ['UNSPECIFIED', 'CA certificate key too weak', 'issuer-weak'],
    ['UNSPECIFIED', 'CA signature digest algorithm too weak', 'weak-signature'],
    ['UNSPECIFIED', 'permitted subtree violation', 'name-constrained'],
    ['UNSPECIFIED', 'key usage does not include certificate signing', 'issuer-unfit'],
    ['SOMETHING_NEW', 'not known today', 'chain-invalid'],
  ])('reads OpenSSL\'s %s, "%s", as %s', (code, message, reason) => {
    expect(judged({ chainFault: { code, message } })).toMatchObject({
      outcome: 'refused',
      reason,
      detail: expect.stringContaining(`OpenSSL: ${message}`),
    });
  });
});

describe('a leaf outside of its validity', () => {
  const day = 86_400_000;
  const ca = forgeCa('fleet');
  const now = new Date();
  const from = (days: number) => new Date(now.getTime() + days * day);
  const ended = forgeDevice('dev-1', ca, { notBefore: from(-2), notAfter: from(-1) });
  const early = forgeDevice('dev-1', ca, { notBefore: from(1), notAfter: from(2) });
  const expired = { code: 'CERT_HAS_EXPIRED', message: 'certificate has expired' };
  const rules = { trust: new TrustStore(trusting(ca)), chainCertificates: 10, now };
  const seen = (leaf: Buffer) => ({ isResumed: false, leaf, presented: [], chainFault: expired });

  it.each([
    ['has ended', ended],
    ['is not valid yet', early],
  ])('is enough to ask for its renewal where the listener renews, when it %s', (_case, leaf) => {
    const judgement = judge(seen(leaf.der), {
      ...rules,
      clientCertificate: 'optional',
      renewableFrom: [ca.certificate],
    });
    expect(judgement).toMatchObject({ outcome: 'outdated', credential: { deviceId: 'dev-1' } });
  });

  it.each([
    ['at a listener that renews nothing', 'optional', []],
    ['where a valid certificate is required', 'required', [ca.certificate]],
    ['when another CA of the same name may renew', 'optional', [forgeCa('fleet').certificate]],
  ] as const)('is refused %s', (_case, clientCertificate, renewableFrom) => {
    expect(judge(seen(ended.der), { ...rules, clientCertificate, renewableFrom })).toMatchObject({
      outcome: 'refused',
      reason: 'certificate-expired',
    });
  });
});
