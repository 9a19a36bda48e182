import { once } from 'node:events';
import { isTokenAdmission } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forge, forgeCa, forgeDevice, newKeys, newRsaKeys } from './fixtures/forge.js';
import { admitAll, closing, get, identity, mutual, recordingAdmission, Site, trusting } from './fixtures/site.js';
import { makeTrustAnchors } from './index.js';

const site = new Site(onTestFinished);
const _past = new Date(Date.now() - 3600_000);
const _future = new Date(Date.now() + 3600_000);

describe('what Node and OpenSSL do with odd certificates and sessions (specs/connector.md 3.1)', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'M1, M4: offers nothing to resume over %s, so a client without a certificate stays out for good',
    async (maxVersion) => {
      const ca = forgeCa('fleet');
      const { port } = await site.openListener(mutual([ca]));
      const first = await site.openTls(port, { maxVersion, ...identity(forgeDevice('dev-1', ca)) });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      first.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume();
      await once(first, 'close');
      const session = sessions.at(-1) ?? first.getSession();

      const outcome = await get(`https://127.0.0.1:${port}/`, { maxVersion, ...(session ? { session } : {}) }).catch(
        (error: Error) => error.message,
      );

      expect(outcome).toMatch(/alert certificate required|alert handshake failure/);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'M2, M3: makes a full handshake with a session of another entrance over %s, and judges by its own CAs',
    async (maxVersion) => {
      const caA = forgeCa('fleet A');
      const caB = forgeCa('fleet B');
      const security = mutual([caA]);
      const a = await site.openListener(security);
      const b = await site.openListener({ ...security, ca: trusting(caB) });
      const device = identity(forgeDevice('dev-1', caA));
      const first = await site.openTls(a.port, { maxVersion, ...device });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      first.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume();
      await once(first, 'close');

      const session = sessions.at(-1) ?? first.getSession();
      const resumed = get(`https://127.0.0.1:${b.port}/`, { maxVersion, ...device, ...(session ? { session } : {}) });

      expect((await resumed).status).toBe(403);
      expect((await b.firstRefusal).reason).toBe('issuer-unknown');
    },
  );

  it('M5, M6: cuts the open connection of a device whose CA is removed', async () => {
    const kept = forgeCa('kept');
    const removed = forgeCa('removed');
    const { listener, port, refusals } = await site.openListener(mutual([kept, removed]));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', removed)));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');

    await listener.reload(mutual([kept]));
    await closing(socket);

    expect(refusals.map(({ reason }) => reason)).toEqual(['issuer-unknown']);
    expect(listener.sessions).toEqual([]);
  });

  it('M7: refuses to ask for client certificates without a CA, rather than trust the public web PKI', async () => {
    const { ca: _, ...withoutCa } = mutual([forgeCa('fleet')]);

    await expect(site.openListener(withoutCa)).rejects.toThrow(
      'Listener "agent" asks for client certificates but trusts no CA.',
    );
    await expect(site.openListener({ ...withoutCa, ca: makeTrustAnchors([]) })).rejects.toThrow('trusts no CA');
  });

  it('M8: takes the identity from the certificate alone, whatever SNI and Host say', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]));
    const socket = await site.openTls(port, { servername: 'a.example', ...identity(forgeDevice('dev-1', ca)) });
    socket.write('GET / HTTP/1.1\r\nHost: b.example\r\n\r\n');
    await once(socket, 'data');

    expect(listener.sessions.map(({ peer }) => peer?.deviceId)).toEqual(['dev-1']);
  });

  it('M9: admits a leaf without extended key usage', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]));
    const device = forge({ subject: 'dev-1', issuer: ca, ca: false });

    expect((await get(`https://127.0.0.1:${port}/a`, identity(device))).body).toBe('served /a');
  });

  it('M10: does not let a leaf act as a CA', async () => {
    const ca = forgeCa('fleet');
    const leaf = forgeDevice('dev-1', ca);
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-2', leaf), leaf))).status).toBe(403);
    expect((await firstRefusal).reason).toBe('issuer-unfit');
  });

  it('M10: does not take a CA:FALSE certificate for a CA', () => {
    const selfSigned = forge({ subject: 'dev-1', ca: false });

    const anchors = makeTrustAnchors([{ name: 'dev-1.pem', certificate: selfSigned.certificate }]);

    expect(anchors.certificates).toEqual([]);
    expect(anchors.warnings).toEqual([
      'dev-1.pem: ignored, "CN=dev-1" is not a CA certificate (CA:FALSE); trusting it would let it vouch for itself for ever. Add the CA that issued it',
    ]);
  });

  it('M14: trusts an intermediate CA that is listed without its root', async () => {
    const issuing = forgeCa('issuing', { issuer: forgeCa('root') });
    const { port } = await site.openListener(mutual([issuing]));

    expect((await get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('dev-1', issuing)))).status).toBe(200);
  });

  it.each([
    ['first', 0],
    ['last', 1],
  ] as const)('M15: tells two CAs with one subject apart by key; the one listed %s works', async (_, chosen) => {
    const families = [forgeCa('fleet'), forgeCa('fleet')] as const;
    const admission = recordingAdmission();
    const { port } = await site.openListener(mutual(families), { admission });

    const answer = await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', families[chosen])));

    expect(answer.status).toBe(200);
    expect(admission.requests[0]?.issuerFingerprint).toBe(families[chosen].certificate.fingerprint);
  });

  it('M16: tells the admission port which CA vouches for a name that two of them use', async () => {
    const families = [forgeCa('fleet A'), forgeCa('fleet B')] as const;
    const admission = recordingAdmission();
    const { port } = await site.openListener(mutual(families), { admission });

    for (const family of families) await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', family)));

    expect(admission.requests.map(({ issuerFingerprint }) => issuerFingerprint)).toEqual(
      families.map(({ certificate }) => certificate.fingerprint),
    );
  });

  it.each([
    [
      'two common names',
      [
        ['CN', 'one'],
        ['CN', 'two'],
      ],
      'name-ambiguous',
    ],
    ['no common name', [['O', 'Acme']], 'name-missing'],
    ['a NUL', 'dev\u0000-1', 'name-invalid'],
    ['a line feed', 'dev\n-1', 'name-invalid'],
    ['a slash', 'dev/1', 'name-invalid'],
    ['MQTT wildcards', 'dev+#', 'name-invalid'],
    ['a space', 'dev 1', 'name-invalid'],
    ['a right-to-left mark', 'dev\u202e-1', 'name-invalid'],
    ['a zero-width space', 'dev\u200b-1', 'name-invalid'],
    ['a decomposed letter', 'de\u0301v', 'name-invalid'],
  ] as const)('M17, M18: refuses a subject with %s', async (_, subject, reason) => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice(subject, ca)))).status).toBe(403);
    expect((await firstRefusal).reason).toBe(reason);
  });

  it('M18: reports an odd name with nothing in it that could forge a log line', async () => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('a\nb\u202ec', ca)))).status).toBe(403);
    expect((await firstRefusal).subject).toMatch(/^[\x20-\x7e]+$/);
  });

  it('M19: reads the name from the CN, not from text that looks like one in another attribute', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]));
    const device = forgeDevice(
      [
        ['OU', 'HR + CN=evil'],
        ['CN', 'good'],
      ],
      ca,
    );
    const socket = await site.openTls(port, identity(device));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');

    expect(listener.sessions.map(({ peer }) => peer?.deviceId)).toEqual(['good']);
  });

  it('M20: refuses an RSA key of 1024 bits', async () => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]));
    const device = forgeDevice('dev-1', ca, { keys: newRsaKeys(1024) });
    const ciphers = 'DEFAULT:@SECLEVEL=0';

    expect((await get(`https://127.0.0.1:${port}/`, { ciphers, ...identity(device) })).status).toBe(403);
    expect((await firstRefusal).reason).toBe('weak-key');
  });

  it('M20: refuses a leaf signed with SHA-1', async () => {
    const ca = forgeCa('fleet');
    const { port, firstRefusal } = await site.openListener(mutual([ca]));
    const device = forgeDevice('dev-1', ca, { hash: 'sha1' });
    const ciphers = 'DEFAULT:@SECLEVEL=0';

    expect((await get(`https://127.0.0.1:${port}/`, { ciphers, ...identity(device) })).status).toBe(403);
    expect((await firstRefusal).reason).toBe('weak-signature');
  });

  it('M21: asks the admission port about revocation, so no stale list can lock out every other device', async () => {
    const families = [forgeCa('fleet A'), forgeCa('fleet B')] as const;
    const [familyA, familyB] = families;
    const revoked = forgeDevice('dev-1', familyA);
    const { port, refusals } = await site.openListener(mutual(families), {
      admission: {
        admit: async (request) =>
          !isTokenAdmission(request) && request.fingerprint === revoked.certificate.fingerprint
            ? { outcome: 'refused', reason: 'certificate-revoked' }
            : admitAll.admit(request),
      },
    });

    expect((await get(`https://127.0.0.1:${port}/`, identity(revoked))).status).toBe(403);
    const others = [forgeDevice('dev-2', familyA), forgeDevice('dev-3', familyB)];
    for (const other of others) expect((await get(`https://127.0.0.1:${port}/`, identity(other))).status).toBe(200);
    expect(refusals.map(({ reason }) => reason)).toEqual(['certificate-revoked']);
  });

  it('M22: refuses a chain of 150 certificates that OpenSSL accepts', async () => {
    const ca = forgeCa('fleet');
    const keys = newKeys();
    const junk = Array.from({ length: 150 }, (_, index) => forgeCa(`junk ${index}`, { keys }));
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    await expect(get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca), ...junk))).rejects.toThrow();
    expect((await firstRefusal).reason).toBe('chain-too-long');
  });

  it('M22: refuses more than 100 KiB of certificates', async () => {
    const ca = forgeCa('fleet');
    const keys = newKeys();
    const junk = Array.from({ length: 300 }, (_, index) => forgeCa(`junk ${index}`, { keys }));
    const { port, firstRefusal } = await site.openListener(mutual([ca]));

    await expect(get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca), ...junk))).rejects.toThrow();
    expect((await firstRefusal).reason).toBe('chain-too-long');
  });

  it('M23: trusts a self-signed version 1 CA with a warning, and admits a version 1 leaf of it', async () => {
    const ca = forge({ subject: 'old CA', version: 1 });
    const security = mutual([ca]);
    const { port } = await site.openListener(security);

    const answer = await get(
      `https://127.0.0.1:${port}/`,
      identity(forge({ subject: 'dev-1', issuer: ca, version: 1 })),
    );

    expect(answer.status).toBe(200);
    expect(security.ca?.warnings).toEqual([
      'ca0.pem: trusted, "CN=old CA" is an X.509 version 1 certificate: it has no CA flag and no path limit. Replace it by a version 3 CA',
    ]);
  });

  it('M23: never takes a version 1 certificate for an intermediate CA', async () => {
    const root = forgeCa('root');
    const issuing = forge({ subject: 'issuing', issuer: root, version: 1 });
    const { port, firstRefusal } = await site.openListener(mutual([root]));

    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', issuing), issuing))).status).toBe(
      403,
    );
    expect((await firstRefusal).reason).toBe('issuer-unfit');
    expect(makeTrustAnchors([{ name: 'v1.pem', certificate: issuing.certificate }]).warnings[0]).toMatch(
      /^v1\.pem: ignored, "CN=issuing" is an X\.509 version 1 certificate that is not self-signed/,
    );
  });
});
