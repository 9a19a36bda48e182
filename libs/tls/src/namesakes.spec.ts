import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, type Forgery, forge, forgeCa, forgeDevice, newKeys, newRsaKeys } from './fixtures/forge.js';
import { closing, get, identity, mutual, recordingAdmission, Site, trusting } from './fixtures/site.js';
import { judge } from './judge.js';
import { makeTrustAnchors } from './trust-anchors.js';
import { TrustStore } from './trust-store.js';

const site = new Site(onTestFinished);
const [hour, day] = [3_600_000, 86_400_000];
const past = new Date(Date.now() - hour);
const future = new Date(Date.now() + hour);
const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const keysOf = { EC: newKeys, RSA: () => newRsaKeys(2048) };

/** A device certificate as plain "openssl x509 -req" makes it: version 1, nothing in it names the key of its CA. */
const plainDevice = (name: string, issuer: Forged, more: Partial<Forgery> = {}) =>
  forge({ subject: name, issuer, version: 1, ...more });

/** Status, or the reason of the refusal and what was said about it. */
async function answerTo(trusted: readonly Forged[], leaf: Forged, ...chain: readonly Forged[]): Promise<string> {
  const { port, refusals } = await site.openListener(mutual(trusted));
  const client = { ...identity(leaf, ...chain), ciphers: 'DEFAULT@SECLEVEL=0' };
  const { status } = await get(`https://127.0.0.1:${port}/`, client);
  return status === 403 ? `${refusals[0]?.reason}: ${refusals[0]?.detail}` : String(status);
}

describe('CAs of one name and different keys', () => {
  it.each(
    versions.flatMap((version) =>
      (['EC', 'RSA'] as const).flatMap((kind) =>
        [2, 3].flatMap((count) => [true, false].map((ids) => [version, kind, count, ids] as const)),
      ),
    ),
  )('all let their devices in: %s, %s, %i of them, key identifiers: %s', async (maxVersion, kind, count, ids) => {
    const families = Array.from({ length: count }, () =>
      forgeCa('fleet', { keys: keysOf[kind](), hasKeyIdentifiers: ids }),
    );
    const admission = recordingAdmission();
    const { port } = await site.openListener(mutual([forgeCa('other'), ...families]), { admission });

    for (const [index, family] of families.entries())
      for (const leaf of [plainDevice(`dev-${index}`, family), forgeDevice(`dev-${index}`, family)])
        expect((await get(`https://127.0.0.1:${port}/`, { maxVersion, ...identity(leaf) })).status).toBe(200);

    const vouching = admission.requests.map(({ issuerFingerprint }) => issuerFingerprint);
    expect(vouching).toEqual(families.flatMap(({ certificate }) => [certificate.fingerprint, certificate.fingerprint]));
  });

  it('let their devices in that send their CA too, and those that come again', async () => {
    const families = [forgeCa('fleet'), forgeCa('fleet')] as const;
    const { port } = await site.openListener(mutual(families));
    for (const family of families)
      for (const chain of [[family], [], [family]]) {
        const client = identity(plainDevice('dev-1', family), ...chain);
        for (let time = 0; time < 2; time += 1)
          expect((await get(`https://127.0.0.1:${port}/`, client)).status).toBe(200);
      }
  });

  it('stay in the list of CAs that clients choose their certificate by, each name once', async () => {
    const trusted = [forgeCa('fleet'), forgeCa('other'), forgeCa('fleet')] as const;
    const { port } = await site.openListener(mutual(trusted));
    const said: Buffer[] = [];
    const relay = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      server.on('data', (chunk) => said.push(chunk));
      client.pipe(server).pipe(client);
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void relay.close());
    await once(relay, 'listening');
    const address = relay.address();
    const relayed = typeof address === 'object' && address !== null ? address.port : 0;
    // The list of TLS 1.2 is not encrypted.
    const device = identity(plainDevice('dev-1', trusted[2]));
    expect((await get(`https://127.0.0.1:${relayed}/`, { maxVersion: 'TLSv1.2', ...device })).status).toBe(200);
    const text = Buffer.concat(said).toString('latin1');
    for (const { subjectDer } of trusted) expect(text.split(subjectDer.toString('latin1'))).toHaveLength(2);
  });

  it('may be old roots of version 1', async () => {
    const families = [forgeCa('fleet', { version: 1 }), forgeCa('fleet')] as const;
    for (const family of families) expect(await answerTo(families, plainDevice('dev-1', family))).toBe('200');
  });

  it('may be issued again with the same key: one certificate that is valid is enough', async () => {
    const keys = newKeys();
    const present = forgeCa('fleet', { keys, notAfter: future });
    const next = forgeCa('fleet', { keys, notBefore: future, notAfter: new Date(Date.now() + 900 * day) });
    const other = forgeCa('fleet');
    for (const trusted of [
      [present, next, other],
      [other, next, present],
    ])
      expect(await answerTo(trusted, plainDevice('dev-1', present))).toBe('200');
    expect(await answerTo([other, next], plainDevice('dev-1', present))).toMatch(
      /^certificate-not-yet-valid: "CN=fleet" is not valid before/,
    );
  });

  it('are one CA to OpenSSL as before when the key is the same, so an intermediate CA below it passes', async () => {
    const keys = newKeys();
    const twins = [forgeCa('fleet', { keys }), forgeCa('fleet', { keys })] as const;
    const issuing = forgeCa('issuing', { issuer: twins[0] });
    expect(await answerTo(twins, forgeDevice('dev-1', issuing), issuing)).toBe('200');
  });

  it('keep a connection open while a namesake comes and goes', async () => {
    const [first, second] = [forgeCa('fleet'), forgeCa('fleet')];
    const { listener, port, refusals } = await site.openListener(mutual([first]));
    const socket = await site.openTls(port, identity(plainDevice('dev-1', first)));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    for (const trusted of [[first, second], [second, first], [first]]) await listener.reload(mutual(trusted));
    expect(listener.sessions).toHaveLength(1);
    await listener.reload(mutual([second]));
    await closing(socket);
    expect(refusals.map(({ reason }) => reason)).toEqual(['issuer-unknown']);
  });
});

describe('a CA that shares its name', () => {
  const other = forgeCa('fleet');

  it.each<[string, Partial<Forgery>, RegExp]>([
    ['of the wrong key', { issuer: forgeCa('fleet') }, /^issuer-unknown: CAs of that name are trusted here, but none/],
    ['that may be a CA', { version: 3, ca: true }, /^leaf-is-ca/],
    ['that may sign certificates', { version: 3, mayCertify: true }, /^leaf-is-ca/],
    ['with a critical extension nobody knows', { version: 3, criticalExtensions: ['2a0304'] }, /^chain-invalid/],
    [
      'with name constraints',
      { version: 3, permittedDns: 'dev-1' },
      /^chain-invalid: it has the extension 2\.5\.29\.30/,
    ],
    ['with constraints on policies', { version: 3, criticalExtensions: ['551d24'] }, /^chain-invalid: .* 2\.5\.29\.36/],
    ['for servers', { version: 3, purposes: ['serverAuth'] }, /^wrong-purpose/],
    ['signed with SHA-1', { hash: 'sha1' }, /^weak-signature/],
    ['with a weak key', { keys: newRsaKeys(1024) }, /^weak-key/],
    ['that has expired', { notAfter: past }, /^certificate-expired/],
    ['that has not begun', { notBefore: future }, /^certificate-not-yet-valid/],
    [
      'with two names',
      {
        subject: [
          ['CN', 'a'],
          ['CN', 'b'],
        ],
      },
      /^name-ambiguous/,
    ],
    ['without a name', { subject: [['O', 'a']] }, /^name-missing/],
    ['with the key of its CA', { keys: other.keys }, /^leaf-is-ca/],
    ['with the serial number 0', { serial: Buffer.of(0) }, /^certificate-malformed/],
  ])('gets no leaf in %s', async (_, fault, answer) => {
    expect(await answerTo([forgeCa('fleet'), other], plainDevice('dev-1', other, fault))).toMatch(answer);
  });

  it.each<[string, Partial<Forgery>, RegExp]>([
    ['is for servers', { purposes: ['serverAuth'] }, /^issuer-unfit: "CN=fleet" may not sign certificates of TLS/],
    ['has name constraints, even ones that fit', { permittedDns: 'dev-1' }, /^name-constrained: "CN=fleet" has name/],
    ['has a critical extension nobody knows', { criticalExtensions: ['2a0304'] }, /^issuer-unfit: .* 1\.2\.3\.4/],
    ['has constraints on policies', { criticalExtensions: ['551d24'] }, /^issuer-unfit: .* 2\.5\.29\.36/],
    ['has not begun', { notBefore: future }, /^certificate-not-yet-valid/],
  ])('gets no leaf in when it %s', async (_, fault, answer) => {
    const ca = forgeCa('fleet', fault);
    expect(await answerTo([other, ca], plainDevice('dev-1', ca))).toMatch(answer);
    expect(await answerTo([other, ca], plainDevice('dev-1', other))).toBe('200');
  });

  it.each<[string, Partial<Forgery>]>([
    ['has expired', { notAfter: past }],
    ['is no CA', { ca: false }],
    ['has a weak key', { keys: newRsaKeys(1024) }],
  ])('is not trusted at all when it %s, and then shares nothing', async (_, fault) => {
    const ca = forgeCa('fleet', { hasKeyIdentifiers: false, ...fault });
    expect(trusting(other, ca).certificates).toEqual([other.certificate]);
  });

  it('stops with the second it expires, also for a device that is known', async () => {
    const ca = forgeCa('fleet');
    const clock = { now: new Date() };
    const { port, firstRefusal } = await site.openListener(mutual([other, ca]), { now: () => clock.now });
    const device = identity(plainDevice('dev-1', ca, { notAfter: new Date('2049-12-31T23:59:59Z') }));
    expect((await get(`https://127.0.0.1:${port}/`, device)).status).toBe(200);
    clock.now = new Date(ca.certificate.notAfter.getTime() + 1000);
    expect((await get(`https://127.0.0.1:${port}/`, device)).status).toBe(403);
    expect((await firstRefusal).reason).toBe('issuer-expired');
  });

  it('gets no leaf in that another leaf signed', async () => {
    const leaf = plainDevice('dev-1', other);
    const trusted = [forgeCa('fleet'), other];
    expect(await answerTo(trusted, plainDevice('dev-2', leaf), leaf)).not.toBe('200');
    // The signer calls itself as the CA does.
    const posing = plainDevice('fleet', other);
    expect(await answerTo(trusted, plainDevice('dev-2', posing), posing)).not.toBe('200');
    expect(await answerTo(trusted, plainDevice('dev-2', posing))).toMatch(/^issuer-unknown/);
  });

  it('gets no leaf in below an intermediate CA, and says what to do', async () => {
    const issuing = forgeCa('issuing', { issuer: other });
    const trusted = [forgeCa('fleet'), other];
    for (const chain of [[issuing], [issuing, other]])
      expect(await answerTo(trusted, forgeDevice('dev-1', issuing), ...chain)).toMatch(
        /^issuer-unknown: .*only what such a CA signed itself passes\. Trust the intermediate CA too$/,
      );
    expect(await answerTo([...trusted, issuing], forgeDevice('dev-1', issuing), issuing)).toBe('200');
  });

  it('does not vouch for itself as a leaf', async () => {
    expect(await answerTo([forgeCa('fleet'), other], other)).not.toBe('200');
    const old = forgeCa('fleet', { version: 1 });
    expect(await answerTo([old, other], old)).not.toBe('200');
  });

  it('gets no leaf in whose key identifier names another key', async () => {
    const posing = { ...other, keyIdentifier: Buffer.alloc(20, 7) };
    expect(await answerTo([forgeCa('fleet'), other], forgeDevice('dev-1', posing))).toMatch(/^issuer-unknown/);
  });

  it('is told from one of another case or spacing by the key too', async () => {
    const families = [forgeCa('Big Fleet'), forgeCa('big  fleet')] as const;
    for (const family of families) expect(await answerTo(families, plainDevice('dev-1', family))).toBe('200');
  });
});

describe('a verdict of OpenSSL other than "issuer unknown"', () => {
  it.each([
    'CERT_SIGNATURE_FAILURE',
    'CERT_HAS_EXPIRED',
    'INVALID_PURPOSE',
    'UNSPECIFIED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ])('is final for namesakes too: %s', (code) => {
    const families = [forgeCa('fleet'), forgeCa('fleet')] as const;
    const trust = new TrustStore(trusting(...families));
    const evidence = { isResumed: false, leaf: plainDevice('dev-1', families[1]).der, presented: [] };
    const rules = { clientCertificate: 'required' as const, trust, chainCertificates: 10, now: new Date() };
    const ofOpenSsl = (fault: string) => judge({ ...evidence, chainFault: { code: fault, message: 'x' } }, rules);
    expect(ofOpenSsl('UNABLE_TO_GET_ISSUER_CERT_LOCALLY').outcome).toBe('candidate');
    expect(ofOpenSsl(code).outcome).toBe('refused');
  });

  it('"issuer unknown" is final for a CA that has its name alone', () => {
    const ca = forgeCa('fleet');
    const evidence = { isResumed: false, leaf: plainDevice('dev-1', ca).der, presented: [] };
    const chainFault = { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', message: 'x' };
    const trust = new TrustStore(trusting(ca, forgeCa('other')));
    const rules = { clientCertificate: 'required' as const, trust, chainCertificates: 10, now: new Date() };
    expect(judge({ ...evidence, chainFault }, rules)).toMatchObject({ reason: 'issuer-unknown' });
  });
});

describe('the list of trusted CAs', () => {
  const anchorsOf = (...cas: readonly Forged[]) =>
    makeTrustAnchors(cas.map(({ certificate }, index) => ({ name: `${index}.pem`, certificate })));

  it('holds all CAs of a name, and says what does not work with them', () => {
    const { certificates, warnings } = anchorsOf(
      forgeCa('fleet', { hasKeyIdentifiers: false }),
      forgeCa('fleet', { pathLength: 0 }),
      forgeCa('fleet', { permittedDns: 'a' }),
    );
    expect(certificates).toHaveLength(3);
    expect(warnings).toEqual([
      expect.stringMatching(/^0\.pem: trusted, "CN=fleet" has the same subject .* intermediate CAs below it do not/),
      expect.stringMatching(/^2\.pem: trusted, "CN=fleet" has name constraints and the same subject .* are refused/),
    ]);
  });

  it('holds sixteen keys of one name, so that a stranger cannot make us check more signatures', () => {
    const keys = newKeys();
    const first = forgeCa('fleet', { keys });
    const many = [first, ...Array.from({ length: 16 }, () => forgeCa('fleet')), forgeCa('fleet', { keys })];
    const { certificates, warnings } = anchorsOf(...many);
    expect(certificates).toHaveLength(17);
    expect(warnings).toContainEqual(expect.stringMatching(/^16\.pem: ignored, .* as 16 other trusted CAs/));
  });
});
