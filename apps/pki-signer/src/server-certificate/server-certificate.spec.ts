import { X509Certificate } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { serverNames, writeSiteMarker } from '@sallyport/identity';
import { siteId } from '@sallyport/protocol';
import { openSqliteStore, scopedStore } from '@sallyport/store';
import { certificatesFromPem, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { openEstEntrance } from '../est/est-entrance.fixture.js';
import { estSecurity } from '../est/est-entrance.js';
import { day, openTestSite, signerOptions, type TestSite } from '../signer.fixture.js';
import { openSigner, type Signer } from '../signer.js';

const leafOf = ({ serverCertificate }: Signer) => {
  const [leaf] = certificatesFromPem(serverCertificate.identity.certificatePem);
  if (leaf === undefined) throw new Error('no certificate');
  return leaf;
};

/** The site after its data were lost, its configuration was kept, and an administrator had it founded anew. */
async function foundAnew({ settings, clock, registry, directory }: TestSite) {
  await writeSiteMarker(settings.files.markerFile, {
    siteId: siteId.parse('0'.repeat(32)),
    foundedAt: clock.now().toISOString(),
    distrusted: [],
    state: 'founding',
    replaces: 'unknown',
  });
  const whole = await openSqliteStore({ file: `${directory}/new.db` });
  const files = { ...settings.files, keyDirectory: `${directory}/new-keys` };
  const parts = { store: scopedStore(whole, 'pki-signer/'), clock, registry, settings: { ...settings, files } };
  return { signer: await openSigner(signerOptions(parts)), [Symbol.asyncDispose]: () => whole.close() };
}

describe('the certificate of the signer itself', () => {
  it('is good for localhost, the loopback addresses and the names of the site', async () => {
    await using site = await openTestSite({ hostnames: ['gateway.local', '192.168.1.6'] });
    await site.signer.serverCertificate.renewIfDue();
    const certificate = new X509Certificate(leafOf(site.signer).der);
    expect([certificate.checkHost('localhost'), certificate.checkHost('gateway.local')]).toEqual([
      'localhost',
      'gateway.local',
    ]);
    for (const address of ['127.0.0.1', '::1', '192.168.1.6']) expect(certificate.checkIP(address)).toBeDefined();
    expect(leafOf(site.signer).extendedKeyUsages).toEqual(['serverAuth']);
    const { record } = await site.signer.inventory.find(leafOf(site.signer).fingerprint);
    expect([record.kind, record.profile]).toEqual(['service', 'server']);
  });

  it('comes with its issuing CA, so that the root is all a client needs', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const subjects = certificatesFromPem(site.signer.serverCertificate.identity.certificatePem).map(
      (c) => c.subject.text,
    );
    expect(subjects).toEqual(['CN=pki-signer,O=Test Site', 'CN=Test Site Service Issuing G1,O=Test Site']);
  });

  it('is kept over a restart, in a file of the owner alone', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const restarted = await site.restart();
    await restarted.serverCertificate.renewIfDue();
    expect(leafOf(restarted).fingerprint).toBe(leafOf(site.signer).fingerprint);
    expect((await stat(site.settings.files.serverIdentityFile)).mode & 0o777).toBe(0o600);
  });

  it('is not made anew for another spelling of the same address', async () => {
    await using site = await openTestSite({ hostnames: ['2001:DB8:0::0001', '::ffff:10.0.0.1', '0:0:0:0:0:0:0:1'] });
    await site.signer.serverCertificate.renewIfDue();
    const { fingerprint } = leafOf(site.signer);
    await site.signer.serverCertificate.renewIfDue();
    expect(leafOf(site.signer).fingerprint).toBe(fingerprint);
    expect(new X509Certificate(leafOf(site.signer).der).checkIP('2001:db8::1')).toBeDefined();
  });

  it('is made anew when its file is damaged', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const path = site.settings.files.serverIdentityFile;
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 300));
    const restarted = await site.restart();
    await restarted.serverCertificate.renewIfDue();
    expect(leafOf(restarted).fingerprint).not.toBe(leafOf(site.signer).fingerprint);
  });

  it('is renewed in the last third of its life, and the owner of the listener is told', async () => {
    await using site = await openTestSite();
    const { serverCertificate } = site.signer;
    await serverCertificate.renewIfDue();
    const first = leafOf(site.signer).fingerprint;
    let renewals = 0;
    serverCertificate.onRenewed(async () => {
      renewals += 1;
    });
    site.clock.advance(19 * day);
    await serverCertificate.renewIfDue();
    expect([leafOf(site.signer).fingerprint, renewals]).toEqual([first, 0]);
    site.clock.advance(2 * day);
    await serverCertificate.renewIfDue();
    expect(leafOf(site.signer).fingerprint).not.toBe(first);
    expect(renewals).toBe(1);
  });

  it('is made anew, once, when the clock that was ahead at its renewal is right again', async () => {
    await using site = await openTestSite();
    const { serverCertificate } = site.signer;
    await serverCertificate.renewIfDue();
    site.clock.advance(200 * day);
    await serverCertificate.renewIfDue();
    const ahead = leafOf(site.signer);
    site.clock.advance(-200 * day);
    await serverCertificate.renewIfDue();
    const made = leafOf(site.signer);
    await serverCertificate.renewIfDue();
    expect(made.fingerprint).not.toBe(ahead.fingerprint);
    expect(made.notBefore.getTime()).toBeLessThanOrEqual(site.clock.now().getTime());
    expect(leafOf(site.signer).fingerprint).toBe(made.fingerprint);
  });

  it('is not made, and the reason is told, while the clock says a time before the CAs were made', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const { fingerprint } = leafOf(site.signer);
    const rows = async () => (await site.signer.audit.rows(0, 1000)).rows.length;
    const before = await rows();
    site.clock.advance(-200 * day);
    await site.signer.rotation.advance();
    await expect(site.signer.serverCertificate.renewIfDue()).rejects.toThrow(
      /The CA "root-1" is not valid before .*, and the clock of this machine says .*\. Set the clock/,
    );
    expect(leafOf(site.signer).fingerprint).toBe(fingerprint);
    expect(await rows()).toBe(before);
  });

  it.each([
    ['the clock was 21 days ahead and is right again', 21],
    ['the clock was ahead by years, and CAs were rotated', 1800],
  ])('is valid at once when %s', async (_case, days) => {
    await using site = await openTestSite();
    const { signer, clock } = site;
    clock.advance(days * day);
    for (let rounds = 0; rounds < 2; rounds += 1) await signer.rotation.advance();
    await signer.serverCertificate.renewIfDue();
    clock.advance(-days * day);
    await signer.rotation.advance();
    await signer.serverCertificate.renewIfDue();
    const [now, { notBefore, notAfter }] = [clock.now(), leafOf(signer)];
    expect(notBefore.getTime()).toBeLessThan(now.getTime());
    expect(notAfter.getTime() - now.getTime()).toBeLessThanOrEqual(30 * day * 1000);
    expect(signer.hierarchy.signing('service').certificate.notBefore.getTime()).toBeLessThan(now.getTime());
  });

  it('follows a rotation of the service CA', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    await site.signer.rotation.rotate({ purpose: 'service', overlapSeconds: 0 }, 'admin');
    await site.signer.serverCertificate.renewIfDue();
    expect(leafOf(site.signer).issuer.text).toBe('CN=Test Site Service Issuing G2,O=Test Site');
  });

  it('is made anew when its issuer only bears the name of the present service CA, as after a new start of the site', async () => {
    await using before = await openTestSite();
    await before.signer.serverCertificate.renewIfDue();
    await using founded = await foundAnew(before);
    await founded.signer.serverCertificate.renewIfDue();
    const { certificate } = founded.signer.hierarchy.signing('service');
    expect(certificate.subject.der).toEqual(leafOf(before.signer).issuer.der);
    expect(verifySignedBy(leafOf(founded.signer), certificate)).toBe(true);
  });

  it.each([
    ['keyCompromise', false],
    ['unspecified', false],
    // As for a signer the registry has revoked: the next certificate would go the same way, and the next.
    ['privilegeWithdrawn', true],
  ] as const)('that was revoked with the reason %s is kept: %s', async (reason, isKept) => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const { fingerprint } = leafOf(site.signer);
    await site.signer.revocation.revoke(fingerprint, reason, 'admin');
    await site.signer.serverCertificate.renewIfDue();
    expect(leafOf(site.signer).fingerprint === fingerprint).toBe(isKept);
  });

  it('is not issued where it cannot be kept, however often it is tried', async () => {
    await using site = await openTestSite();
    await writeFile(`${site.directory}/no-folder`, '');
    const serverIdentityFile = `${site.directory}/no-folder/server-identity.pem`;
    const settings = { ...site.settings, files: { ...site.settings.files, serverIdentityFile } };
    const { store, clock, registry } = site;
    const signer = await openSigner(signerOptions({ store, clock, registry, settings }));
    await expect(signer.serverCertificate.renewIfDue()).rejects.toMatchObject({ code: 'ENOTDIR' });
    // Tried again later, not at once.
    for (let times = 0; times < 10; times += 1) await signer.serverCertificate.renewIfDue();
    expect((await signer.inventory.list({ limit: 10 })).records).toEqual([]);
    const { rows } = await signer.audit.rows(0, 1000);
    expect(rows.filter(({ action }) => action === 'certificate-intended')).toEqual([]);
  });

  it('changes at the open entrance without a restart', async () => {
    await using entrance = await openEstEntrance();
    const { signer, clock } = entrance.site;
    const shown = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const target = { host: '127.0.0.1', servername: 'localhost', port: entrance.port, ca: entrance.rootPem };
        const socket = connect(target, () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase());
          socket.destroy();
        });
        socket.once('error', reject);
      });
    const first = leafOf(signer).fingerprint;
    expect(await shown()).toBe(first);
    signer.serverCertificate.onRenewed(() =>
      entrance.listener.reload(estSecurity(signer.hierarchy, signer.serverCertificate, clock.now()).security),
    );
    await signer.rotation.rotate({ purpose: 'service', overlapSeconds: 0 }, 'admin');
    await signer.serverCertificate.renewIfDue();
    expect(leafOf(signer).fingerprint).not.toBe(first);
    expect(await shown()).toBe(leafOf(signer).fingerprint);
  });
});

describe('names of the server certificate', () => {
  it.each([
    ['a name that is no host name', 'My_Machine', []],
    ['a name in capitals', 'GATEWAY', ['gateway']],
    ['an address', '10.0.0.1', ['10.0.0.1']],
    ['an empty name', '', []],
    ['a name that is there already', 'localhost', []],
    ['a container of digits', '123456789012', []],
    ['a number as the last label', 'box.42', []],
    ['hyphens where only an A-label has them', 'ab--cd', []],
    ['an address of one link', 'fe80::1%eth0', []],
    ['every address', '0.0.0.0', []],
  ])('leave out what no certificate may hold: %s', (_case, hostname, more) => {
    expect(serverNames(hostname, []).map(({ value }) => value)).toEqual(['localhost', ...more, '127.0.0.1', '::1']);
  });
});
