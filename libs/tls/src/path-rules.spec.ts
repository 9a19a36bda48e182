import { TestCa, type TestCertificate } from '@sallyport/testkit';
import { certificatesFromPem } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forge, forgeCa, forgeDevice, newKeys } from './fixtures/forge.js';
import { get, identity, mutual, Site } from './fixtures/site.js';
import { closePrimes, rocaPrimes } from './fixtures/weak-keys.js';
import { judge } from './judge.js';
import { makeTrustAnchors } from './trust-anchors.js';
import { TrustStore } from './trust-store.js';

const site = new Site(onTestFinished);

/** What the entrance answers to a client: the status, or the reason of its refusal and what was said about it. */
async function answerTo(trusted: Forged, leaf: Forged, ...chain: readonly Forged[]): Promise<string> {
  const { port, refusals } = await site.openListener(mutual([trusted]));
  const { status } = await get(`https://127.0.0.1:${port}/`, identity(leaf, ...chain));
  return status === 403 ? `${refusals[0]?.reason}: ${refusals[0]?.detail}` : String(status);
}

describe('a key that can be computed from its certificate', () => {
  it.each([
    ['close primes', closePrimes, 'it has an RSA key whose primes are too close together'],
    ['the fingerprint of ROCA', rocaPrimes, 'it has an RSA key made by a broken library (ROCA, CVE-2017-15361)'],
  ])('is refused at the entrance when it has %s', async (_, keys, text) => {
    const ca = forgeCa('fleet');
    expect(await answerTo(ca, forgeDevice('dev-1', ca, { keys: keys() }))).toBe(`weak-key: ${text}`);
  });

  it('is refused in a CA between the leaf and the trusted one', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root, keys: closePrimes() });
    expect(await answerTo(root, forgeDevice('dev-1', issuing), issuing)).toBe(
      'issuer-weak: "CN=issuing" has an RSA key whose primes are too close together',
    );
  });

  it('is not trusted in a CA of the operator', () => {
    const { certificate } = forgeCa('fleet', { keys: closePrimes() });
    expect(makeTrustAnchors([{ name: 'fleet.pem', certificate }])).toMatchObject({
      certificates: [],
      warnings: ['fleet.pem: ignored, "CN=fleet" has an RSA key whose primes are too close together'],
    });
  });

  it('stays refused when the same client comes again', async () => {
    const ca = forgeCa('fleet');
    const device = forgeDevice('dev-1', ca, { keys: closePrimes() });
    const { port, refusals } = await site.openListener(mutual([ca]));
    for (let time = 0; time < 2; time += 1)
      expect((await get(`https://127.0.0.1:${port}/`, identity(device))).status).toBe(403);
    expect(refusals.map(({ reason }) => reason)).toEqual(['weak-key', 'weak-key']);
  });
});

describe('the curve of a CA between the leaf and the trusted one', () => {
  it('has to be one that a leaf may have', () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root });
    const leaf = forgeDevice('dev-1', issuing);
    const trust = new TrustStore({ certificates: [root.certificate], ownIssuers: new Set() });
    const onOddCurve = { ...issuing.certificate, key: { type: 'ec' as const, curve: 'secp256k1' } };
    trust.findPath(leaf.certificate, [onOddCurve]);
    const rules = { clientCertificate: 'required' as const, trust, chainCertificates: 10, now: new Date() };
    expect(judge({ isResumed: false, leaf: leaf.der, presented: [issuing.der] }, rules)).toMatchObject({
      reason: 'issuer-weak',
      detail:
        '"CN=issuing" has an EC key on the curve secp256k1; P-256, P-384 or P-521 is needed, named and not spelled out',
    });
  });
});

describe('a leaf that is more than a leaf', () => {
  it('is refused with CA:TRUE, and told so', async () => {
    const ca = forgeCa('fleet');
    expect(await answerTo(ca, forgeDevice('dev-1', ca, { ca: true }))).toMatch(/^leaf-is-ca/);
  });

  it('is refused with key usage keyCertSign', async () => {
    const ca = forgeCa('fleet');
    expect(await answerTo(ca, forgeDevice('dev-1', ca, { mayCertify: true }))).toMatch(/^leaf-is-ca/);
  });

  it('is refused when it is a trusted CA itself', async () => {
    const ca = forgeCa('dev-1', { purposes: ['clientAuth'] });
    expect(await answerTo(ca, ca)).toMatch(/^leaf-is-ca/);
  });

  it('is refused when its key is that of a CA above it, also when nothing else says so', async () => {
    const old = forge({ subject: 'dev-1', version: 1 });
    expect(await answerTo(old, old)).toBe('leaf-is-ca: its key is that of the CA "CN=dev-1"');
    const ca = forgeCa('fleet');
    expect(await answerTo(ca, forgeDevice('dev-1', ca, { keys: ca.keys }))).toMatch(/^leaf-is-ca/);
  });

  it('does not make a purpose that only its CA lacks its own', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root, purposes: ['serverAuth'] });
    expect(await answerTo(root, forgeDevice('dev-1', issuing), issuing)).toMatch(/^issuer-unfit: OpenSSL: /);
  });
});

describe('a serial number that RFC 5280 §4.1.2.2 does not allow', () => {
  it('is refused when it is 0', async () => {
    const ca = forgeCa('fleet');
    expect(await answerTo(ca, forgeDevice('dev-1', ca, { serial: Buffer.of(0) }))).toBe(
      'certificate-malformed: its serial number is 0',
    );
  });

  it.each([
    ['negative', Buffer.of(0x81), 'is a serial number that is negative'],
    ['longer than 20 octets', Buffer.alloc(21, 0x41), 'is a serial number of more than 20 octets'],
  ])('is refused when it is %s, with advice that mends it', (_, serial, text) => {
    expect(() => forgeDevice('dev-1', forgeCa('fleet'), { serial })).toThrow(
      `${text}. Have its issuer make it again with a positive serial number of at most 20 octets (RFC 5280 section 4.1.2.2).`,
    );
  });
});

describe('name constraints of a CA (RFC 5280 §4.2.1.10), chains made by openssl', () => {
  const basic = [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,keyCertSign,cRLSign',
    'subjectKeyIdentifier=hash',
  ];

  /** What an entrance that trusts the root answers to a leaf of a CA below it with these constraints. */
  async function answers(nameConstraints: string, subject: readonly (readonly [string, string])[]) {
    const root = await TestCa.create();
    onTestFinished(() => root[Symbol.asyncDispose]());
    const issuing = await root.intermediate({ extensions: [...basic, `nameConstraints=critical,${nameConstraints}`] });
    const leaf = await issuing.issue({ subject });
    return await ask(root.certPem, leaf);
  }

  async function ask(trustedPem: string, { chainPem, keyPem }: TestCertificate): Promise<string> {
    const [certificate] = certificatesFromPem(trustedPem);
    if (certificate === undefined) throw new Error('the CA has no certificate');
    const ca = makeTrustAnchors([{ name: 'root.pem', certificate }]);
    const { port, refusals } = await site.openListener(mutual([], { ca }));
    const { status } = await get(`https://127.0.0.1:${port}/`, { cert: chainPem, key: keyPem });
    return status === 403 ? String(refusals[0]?.reason) : String(status);
  }

  it.each([
    ['gateway', 'name-constrained'],
    ['acme.example', '200'],
    ['dev-1.ACME.example', '200'],
    ['notacme.example', 'name-constrained'],
    ['dev-1.acme.example.evil.example', 'name-constrained'],
  ])('permitting the DNS name acme.example bind the identity %s', async (commonName, answer) => {
    expect(await answers('permitted;DNS:acme.example', [['CN', commonName]])).toBe(answer);
  });

  it('excluding a DNS name bind an identity without a dot', async () => {
    expect(await answers('excluded;DNS:gateway', [['CN', 'gateway']])).toBe('name-constrained');
    expect(await answers('excluded;DNS:gateway', [['CN', 'pump']])).toBe('200');
  });

  it('for other kinds of names leave the identity to the CA that has them', async () => {
    expect(await answers('permitted;email:acme.example', [['CN', 'pump']])).toBe('200');
  });

  it('bind a trusted CA too', async () => {
    const constrained = await TestCa.create({
      extensions: [...basic, 'nameConstraints=critical,permitted;DNS:acme.example'],
    });
    onTestFinished(() => constrained[Symbol.asyncDispose]());
    expect(await ask(constrained.certPem, await constrained.issue({ commonName: 'gateway' }))).toBe('name-constrained');
  });

  it('that cannot be read forbid every name', () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root, permittedDns: 'caf\u00e9.example' });
    const trust = new TrustStore({ certificates: [root.certificate], ownIssuers: new Set() });
    const evidence = { isResumed: false, leaf: forgeDevice('dev-1', issuing).der, presented: [issuing.der] };
    const rules = { clientCertificate: 'required' as const, trust, chainCertificates: 10, now: new Date() };
    expect(judge(evidence, rules)).toMatchObject({ reason: 'name-constrained' });
  });
});

describe('who vouches for a peer', () => {
  const store = (...cas: readonly Forged[]) =>
    new TrustStore({ certificates: cas.map(({ certificate }) => certificate), ownIssuers: new Set() });
  const later = new Date(Date.now() + 3_000 * 24 * 3600 * 1000);

  it('is the same CA under the certificate it had and the one it has, side by side or alone', () => {
    const former = forgeCa('fleet');
    const renewed = forgeCa('fleet', { keys: former.keys, notAfter: later });
    const { certificate } = forgeDevice('dev-1', former);
    const paths = [store(former), store(renewed), store(former, renewed)].map((trust) =>
      trust.findPath(certificate, []),
    );
    expect(new Set(paths.map((path) => path?.authorities.join()))).toHaveLength(1);
    expect(paths[2]?.issuerFingerprints.toSorted()).toEqual(
      [former.certificate.fingerprint, renewed.certificate.fingerprint].toSorted(),
    );
  });

  it('is this site, also when another certificate of its CA is trusted that lasts longer', () => {
    const own = forgeCa('site');
    const renewed = forgeCa('site', { keys: own.keys, notAfter: later });
    const trust = new TrustStore({
      certificates: [own.certificate, renewed.certificate],
      ownIssuers: new Set([own.certificate.fingerprint]),
    });
    const path = trust.findPath(forgeDevice('dev-1', own).certificate, []);
    expect(path?.certificates).toEqual([renewed.certificate]);
    expect(path && trust.isOwn(path)).toBe(true);
  });

  it('is another CA with another key or another name', () => {
    const [one, namesake] = [forgeCa('fleet'), forgeCa('fleet')];
    const renamed = forgeCa('fleet 2', { keys: one.keys });
    const authorities = [one, namesake, renamed].map(
      (ca) => store(ca).findPath(forgeDevice('dev-1', ca).certificate, [])?.authorities[0],
    );
    expect(new Set(authorities)).toHaveLength(3);
  });

  it('is the trusted root, also when an intermediate CA of it has a new key or is trusted too', () => {
    const root = forgeCa('root');
    const [former, next] = [forgeCa('issuing', { issuer: root }), forgeCa('issuing', { issuer: root })];
    const vouching = (trust: TrustStore, issuing: Forged) =>
      trust.findPath(forgeDevice('dev-1', issuing).certificate, [issuing.certificate]);
    const expected = vouching(store(root), former)?.authorities.at(-1);
    expect(vouching(store(root), next)?.authorities.at(-1)).toBe(expected);
    expect(vouching(store(root, next), next)?.authorities.at(-1)).toBe(expected);
    expect(vouching(store(root), next)).toMatchObject({ authorityName: 'CN=root' });
  });

  it('is an intermediate CA itself when only that one is trusted', () => {
    const issuing = forgeCa('issuing', { issuer: forgeCa('root') });
    const path = store(issuing).findPath(forgeDevice('dev-1', issuing).certificate, []);
    expect(path).toMatchObject({ authorityName: 'CN=issuing' });
    expect(path?.authorities).toHaveLength(1);
  });

  it('is a CA itself whose name constraints say nothing about device ids', async () => {
    const root = await TestCa.create();
    onTestFinished(() => root[Symbol.asyncDispose]());
    const issuing = await root.intermediate({
      commonName: 'Acme',
      extensions: ['basicConstraints=critical,CA:TRUE', 'nameConstraints=critical,permitted;email:acme.example'],
    });
    const trust = new TrustStore({ certificates: certificatesFromPem(root.certPem), ownIssuers: new Set() });
    const [leaf, ...presented] = certificatesFromPem((await issuing.issue()).chainPem);
    const path = leaf && trust.findPath(leaf, presented);
    expect(path).toMatchObject({ authorityName: 'CN=Acme' });
    expect(path?.authorities).toHaveLength(1);
  });

  it('follows the chain that is sent, when an intermediate CA has been signed by two', () => {
    const [one, other] = [forgeCa('one'), forgeCa('other')];
    const keys = newKeys();
    const [byOne, byOther] = [forgeCa('x', { issuer: one, keys }), forgeCa('x', { issuer: other, keys })];
    const leaf = forge({ subject: 'dev-1', issuer: byOne, ca: false });
    const trust = store(one, other);
    const rules = { clientCertificate: 'required' as const, trust, chainCertificates: 10, now: new Date() };
    const names = [byOne, byOther, byOne].map((sent) => {
      const judgement = judge({ isResumed: false, leaf: leaf.der, presented: [sent.der] }, rules);
      return judgement.outcome === 'candidate' ? judgement.candidate.path.authorityName : judgement.outcome;
    });
    expect(names).toEqual(['CN=one', 'CN=other', 'CN=one']);
  });
});
