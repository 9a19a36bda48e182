import { writeFile } from 'node:fs/promises';
import { auditPage, connectorName, connectorRoutes, deviceId } from '@sallyport/protocol';
import { mustRun, type TestCa, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Devices } from '../devices/devices.js';
import { fingerprintOf, peer } from '../registry.fixture.js';
import { ConnectorsUnderTest, validNow } from './connectors.fixture.js';

const { decode, changeClientCa, removeClientCa, showClientCa, challengePossession, provePossession } = connectorRoutes;
const { previewIdentity, changeDraft } = connectorRoutes;

describe('Client CAs', () => {
  let site: ConnectorsUnderTest;
  let ca: TestCa;
  beforeEach(async () => {
    site = await ConnectorsUnderTest.start();
    ca = await site.authority({ commonName: 'Factory CA' });
  });
  afterEach(() => site.stop());

  const idOf = ({ document }: { document: { clientCas: readonly { id: string }[] } }, index = 0) =>
    document.clientCas[index]?.id ?? '';

  it('are what DECODE shows before, and only one at a time', async () => {
    const decoded = await site.alice.call(decode, { body: { text: ca.certPem } });
    expect(decoded).toMatchObject({ fitsClientCa: true, items: [{ role: 'root-ca', subject: 'CN=Factory CA' }] });
    const leaf = await ca.issue({ ...validNow, commonName: 'pump' });
    expect(
      await site.alice.refusal(connectorRoutes.addClientCa, { body: { certificate: { text: leaf.certPem } } }),
    ).toContain('400 This cannot be a Client CA. CN=pump is no CA');
  });

  it('have the name of their certificate, and open all that is usual', async () => {
    const { document } = await site.alice.addCa(ca.certPem);
    expect(document.clientCas).toMatchObject([
      {
        label: 'Factory CA',
        provision: true,
        login: true,
        sessions: 'end',
        approval: 'automatic',
        naming: { by: 'cn' },
        crl: { mode: 'off' },
        proof: { by: 'attested', actor: 'local-admin:alice' },
        certificates: [{ subject: 'CN=Factory CA', notAfter: '2027-05-01T00:00:00.000Z' }],
      },
    ]);
  });

  it('take on a further certificate of the same key, and not the same one twice', async () => {
    await site.alice.addCa(ca.certPem);
    const again = await site.authority({ commonName: 'Factory CA' });
    const twin = await site.alice.addCa(again.certPem);
    expect(twin.document.clientCas).toHaveLength(2);
    expect(
      await site.alice.refusal(connectorRoutes.addClientCa, { body: { certificate: { text: ca.certPem } } }),
    ).toContain('409 This certificate is there already');
  });

  it('of one name and two keys are refused when one has name constraints, which only OpenSSL keeps', async () => {
    const extensions = ['basicConstraints=critical,CA:TRUE', 'nameConstraints=critical,permitted;DNS:acme.example'];
    await site.alice.addCa(ca.certPem);
    const twin = await site.authority({ commonName: 'Factory CA', extensions });
    const { findings, etag } = await site.alice.addCa(twin.certPem);
    expect(findings.map(({ code }) => code)).toContain('same-name');
    expect(await site.alice.refusal(connectorRoutes.saveDraft, { ifMatch: etag })).toContain(
      '409 The draft cannot be saved',
    );
  });

  it.each([
    ['with key identifiers', undefined],
    ['without', ['basicConstraints=critical,CA:TRUE', 'subjectKeyIdentifier=none']],
  ])('of one name and two keys can be saved, %s, with a warning about intermediate CAs', async (_, extensions) => {
    await site.alice.addCa(ca.certPem);
    const twin = await site.authority({ commonName: 'Factory CA', ...(extensions ? { extensions } : {}) });
    const { findings } = await site.alice.addCa(twin.certPem);
    const namesakes = findings.filter(({ code }) => code === 'namesake');
    expect(namesakes).toMatchObject([{ severity: 'warning', text: expect.stringContaining('told apart by the key') }]);
    expect((await site.alice.save()).document.clientCas).toHaveLength(2);
  });

  it('have three levers, each with the number of devices it concerns', async () => {
    const id = idOf(await site.alice.addCa(ca.certPem));
    await site.alice.save();
    for (const name of ['pump-1', 'pump-2', 'elsewhere']) {
      const certificate = { fingerprint: fingerprintOf(name), issuerFingerprint: fingerprintOf('ca') };
      await site.registry.admit(peer({ deviceId: name, issuedHere: false, authorities: [id], ...certificate }));
      await moveToConnector(name, name === 'elsewhere' ? 'other' : 'default');
    }
    const change = (body: object) => site.alice.call(changeClientCa, { params: { id }, body });
    expect((await change({ provision: false })).changes).toMatchObject([
      { text: 'Client CA "Factory CA", provision: no new devices', devices: 2 },
    ]);
    expect(
      (await change({ login: false, sessions: 'keep' })).changes.map(({ text, devices }) => [text, devices]),
    ).toEqual([
      ['Client CA "Factory CA", provision: no new devices', 2],
      ['Client CA "Factory CA", login: devices may not log in', 2],
      ['Client CA "Factory CA", sessions: open connections go on when logins are blocked', 2],
    ]);
    await change({ sessions: 'end' });
    await site.alice.save();
    expect((await site.directory()).connectors[0]?.clientCas).toMatchObject([
      { provision: false, login: false, sessions: 'end' },
    ]);
    expect(await site.alice.call(showClientCa, { params: { id } })).toMatchObject({
      inForce: true,
      devices: { total: 2, active: 2 },
    });
    expect((await site.alice.call(removeClientCa, { params: { id } })).changes).toMatchObject([{ devices: 2 }]);
  });

  /** As a contact at a connector records it. */
  const moveToConnector = (name: string, connector: string) =>
    site.registry.part(Devices).change(deviceId.parse(name), async (before) => {
      const after = before && { ...before.record, connector: connectorName.parse(connector) };
      return { result: undefined, change: { before, after, audit: [] } };
    });

  it.each([
    [{ naming: { by: 'regex', pattern: '^(a|b)$' } }, '400 The pattern'],
    [{ naming: { by: 'template', template: 'x' } }, '400 With the template "x"'],
    [{ namespace: 'a b' }, '400 namespace'],
    [{ label: 'a\u202eb' }, '400 label'],
    [{ crl: { mode: 'hard', url: 'file:///etc/passwd' } }, '400 crl.url'],
  ])('are not changed by %j', async (body, reason) => {
    const id = idOf(await site.alice.addCa(ca.certPem));
    expect(await site.alice.refusal(changeClientCa, { params: { id }, body })).toContain(reason);
  });

  it('warn for 90 days before they end', async () => {
    const id = idOf(await site.alice.addCa(ca.certPem));
    await site.alice.save();
    site.registry.clock.set(new Date('2027-03-01T00:00:00Z'));
    const { findings } = await site.alice.call(showClientCa, { params: { id } });
    expect(findings.map(({ code, text }) => [code, text])).toEqual([
      [
        'expires-soon',
        'Client CA "Factory CA": It ends in 61 days, on 2027-05-01T00:00:00.000Z. Its devices all stop then: add its successor before.',
      ],
    ]);
  });

  describe('proof of possession', () => {
    const aroundNow = () => ({
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 400 * 86_400_000),
    });

    /** Runs the lines of a challenge as a shell does, in a folder with the files of a CA. */
    const runLines = async (commands: readonly string[], authority: TestCa): Promise<string> => {
      await using directory = temporaryDirectory();
      await writeFile(directory.file('CA.pem'), authority.certPem);
      await writeFile(directory.file('CA-key.pem'), authority.certificate.keyPem);
      for (const line of commands) await mustRun('sh', ['-c', `cd ${directory.path} && ${line}`]);
      return await mustRun('openssl', ['x509', '-in', directory.file('proof.pem')]);
    };

    const challenged = async () => {
      // The lines ask openssl, which knows the time of the machine only.
      site.registry.clock.set(new Date());
      ca = await site.authority({ commonName: 'Factory CA', ...aroundNow() });
      const id = idOf(await site.alice.addCa(ca.certPem));
      const challenge = await site.alice.call(challengePossession, { params: { id } });
      return { id, challenge };
    };
    const prove = (id: string, text: string) => ({ params: { id }, body: { certificate: { text } } });

    it('is the certificate that the shown lines make', async () => {
      const { id, challenge } = await challenged();
      expect(challenge.commonName).toMatch(/^_sallyport-proof-[0-9a-f]{40}$/);
      const proof = await runLines(challenge.commands, ca);
      const proved = await site.alice.call(provePossession, prove(id, proof));
      expect(proved.clientCa.proof.by).toBe('possession');
      const { rows } = await site.registry.get('/v1/audit', auditPage);
      expect(rows.at(-1)).toMatchObject({ action: 'client-ca-proved', subject: id, actor: 'local-admin:alice' });
    });

    it('works once, within its hour, and only the newest', async () => {
      const { id, challenge } = await challenged();
      const proof = await runLines(challenge.commands, ca);
      const next = await site.alice.call(challengePossession, { params: { id } });
      expect(next.commonName).not.toBe(challenge.commonName);
      expect(await site.alice.refusal(provePossession, prove(id, proof))).toContain('its common name is');

      const second = await runLines(next.commands, ca);
      await site.alice.call(provePossession, prove(id, second));
      expect(await site.alice.refusal(provePossession, prove(id, second))).toContain('409 No challenge is open');

      const third = await site.alice.call(challengePossession, { params: { id } });
      const late = await runLines(third.commands, ca);
      site.registry.clock.advance(3601);
      expect(await site.alice.refusal(provePossession, prove(id, late))).toContain('409 No challenge is open');
    });

    it('cannot be made with the key of another CA, or with a certificate that is public', async () => {
      const { id, challenge } = await challenged();
      const stranger = await site.authority({ commonName: 'Factory CA' });
      const forged = await runLines(challenge.commands, stranger);
      expect(await site.alice.refusal(provePossession, prove(id, forged))).toContain(
        'the key of the Client CA "Factory CA" did not sign it',
      );
      const { rows } = await site.registry.get('/v1/audit', auditPage);
      expect(rows.at(-1)).toMatchObject({ action: 'client-ca-proof-refused', subject: id, outcome: 'refused' });
      expect(await site.alice.refusal(provePossession, prove(id, ca.certPem))).toContain(
        'its common name is "Factory CA"',
      );
    });
  });

  describe('a preview', () => {
    const preview = (certificate: string, against = 'draft') =>
      site.alice.call(previewIdentity, { body: { certificate: { text: certificate }, against } });

    beforeEach(async () => {
      await site.alice.addCa(ca.certPem, { namespace: 'pump-' });
      await site.alice.call(changeDraft, { body: { pki: { enabled: true }, provisioning: { self: true } } });
    });

    it('says the identity a certificate gives, before and after the save', async () => {
      const { certPem } = await ca.issue({ ...validNow, commonName: 'pump-17' });
      expect(await preview(certPem)).toMatchObject({
        outcome: 'accepted',
        identity: 'pump-17',
        label: 'Factory CA',
        findings: [],
      });
      expect(await preview(certPem, 'saved')).toMatchObject({ outcome: 'refused', reason: 'issuer-unknown' });
    });

    it.each([
      ['has another name', { commonName: 'valve-1' }, 'identity-outside-namespace'],
      ['has a name that is no identity', { commonName: 'pump-/x' }, 'name-invalid'],
      ['has ended', { commonName: 'pump-1', notAfter: new Date('2026-05-31T00:00:00Z') }, 'certificate-expired'],
      [
        'begins later',
        { commonName: 'pump-1', notBefore: new Date('2026-06-01T12:06:00Z') },
        'certificate-not-yet-valid',
      ],
      ['has a weak key', { commonName: 'pump-1', key: 'RSA 1024' }, 'weak-key'],
      ['is for servers', { commonName: 'pump-1', extendedKeyUsage: 'serverAuth' }, 'wrong-purpose'],
    ] as const)('says why a certificate is refused that %s', async (_case, options, reason) => {
      const { certPem } = await ca.issue({ ...validNow, ...options });
      const answer = await preview(certPem);
      expect(answer).toMatchObject({ outcome: 'refused', reason, label: 'Factory CA' });
    });

    it('knows an intermediate CA that is pasted too', async () => {
      const below = await ca.intermediate(validNow);
      const { certPem, chainPem } = await below.issue({ ...validNow, commonName: 'pump-1' });
      expect(await preview(certPem)).toMatchObject({ reason: 'issuer-unknown' });
      expect(await preview(chainPem)).toMatchObject({ outcome: 'accepted', identity: 'pump-1' });
    });

    it('says that another CA is not one of the connector', async () => {
      const stranger = await site.authority({ commonName: 'Factory CA' });
      const { certPem } = await stranger.issue({ ...validNow, commonName: 'pump-1' });
      expect(await preview(certPem)).toMatchObject({ outcome: 'refused', reason: 'issuer-unknown' });
    });
  });
});
