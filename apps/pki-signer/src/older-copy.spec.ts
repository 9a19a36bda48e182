import { mkdir, rm, writeFile } from 'node:fs/promises';
import { openLog } from '@sallyport/runtime';
import { openSqliteStore, type Store } from '@sallyport/store';
import { TestCa } from '@sallyport/testkit';
import { certificatesFromPem, parseCertificate, parseCrl, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { openSignerJournal } from './audit/signer-journal.js';
import { keyIdOf } from './authority/authority.js';
import type { CertificateRecord } from './inventory/certificate-record.js';
import { csrFor, enrolmentOf, openTestSite, problemOf, signerOptions, type TestSite } from './signer.fixture.js';
import { openSigner, type Signer } from './signer.js';

/** A copy of everything that the signer has in its store now. */
async function copyOf(site: TestSite): Promise<Store> {
  const copy = await openSqliteStore({ file: `${site.directory}/copy.db` });
  for await (const { key, value } of site.store.listAll('')) await copy.put(key, value);
  return copy;
}

const enrolled = async (site: TestSite, name: string): Promise<CertificateRecord> =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

const renewed = (signer: Signer, { deviceId, fingerprint, certificate }: CertificateRecord, csr = csrFor(deviceId)) =>
  signer.renewal.renew({
    deviceId,
    fingerprint,
    csr,
    certificate: parseCertificate(Buffer.from(certificate, 'base64')),
    channelBindings: () => [],
    remoteAddress: '127.0.0.1',
  });

const crlOf = (signer: Signer) => {
  const published = signer.crls.find(keyIdOf(signer.hierarchy.byId('device-1').certificate));
  if (published === undefined) throw new Error('no CRL');
  return published;
};

const serialsOn = (signer: Signer) => parseCrl(crlOf(signer).der).entries.map(({ serialNumber }) => serialNumber);

describe('a signer on an older copy of its store', () => {
  it('remembers what was revoked, used and issued since', async () => {
    await using site = await openTestSite();
    const password = await site.token({ deviceId: 'late' });
    const [stolen, child] = [await enrolled(site, 'stolen'), await enrolled(site, 'child')];
    await using copy = await copyOf(site).then((store) => ({ store, [Symbol.asyncDispose]: () => store.close() }));

    await site.signer.revocation.revoke(stolen.fingerprint, 'privilegeWithdrawn', 'admin');
    const newer = await renewed(site.signer, child);
    await site.signer.enrolment.enrol(enrolmentOf('late', password));
    await site.signer.crls.buildDue();
    const before = crlOf(site.signer).crlNumber;

    const { clock, settings, registry } = site;
    clock.advance(-86_400);
    const signer = await openSigner(signerOptions({ store: copy.store, clock, settings, registry }));
    expect(await problemOf(renewed(signer, stolen))).toMatchObject({ type: 'forbidden' });
    expect((await renewed(signer, newer)).renews).toBe(newer.fingerprint);
    expect(await problemOf(signer.enrolment.enrol(enrolmentOf('late', password)))).toMatchObject({
      type: 'credentials-invalid',
    });
    await signer.crls.buildDue();
    expect(crlOf(signer).crlNumber).toBeGreaterThan(before);
    expect(serialsOn(signer)).toContain(stolen.serialNumber);
    expect(await signer.audit.verify()).toMatchObject({ intact: true });
    expect(await signer.audit.journalStatus()).toMatchObject({ olderCopy: {} });
  });

  it('recognises its own signature where the journal is lost, and takes in what a published CRL revokes', async () => {
    await using site = await openTestSite();
    await using copy = await copyOf(site).then((store) => ({ store, [Symbol.asyncDispose]: () => store.close() }));
    const [child, thief, later] = [
      await enrolled(site, 'child'),
      await enrolled(site, 'thief'),
      await enrolled(site, 'later'),
    ];
    await site.signer.revocation.revoke(thief.fingerprint, 'privilegeWithdrawn', 'admin');
    await site.signer.crls.buildDue();
    const { clock, settings, registry } = site;
    await rm(settings.files.journalFolder, { recursive: true });
    await mkdir(settings.files.revocationLists, { recursive: true });
    await writeFile(`${settings.files.revocationLists}/1.pem`, pemFromDer('X509 CRL', crlOf(site.signer).der));

    const signer = await openSigner(signerOptions({ store: copy.store, clock, settings, registry }));
    expect((await renewed(signer, child)).renews).toBe(child.fingerprint);
    expect((await signer.inventory.get(child.fingerprint))?.record).toMatchObject({
      deviceId: 'child',
      issuer: 'device-1',
      profile: 'device',
    });
    expect(await problemOf(renewed(signer, thief))).toMatchObject({ type: 'forbidden' });
    const { fingerprint, serialNumber, issuerFingerprint, notAfter } = later;
    await signer.unknown.follow({
      deviceId: later.deviceId,
      certificates: [{ fingerprint, serialNumber, issuerFingerprint, notAfter }],
      reason: 'cessationOfOperation',
      changedAt: clock.now().toISOString(),
    });
    await signer.crls.buildDue();
    expect(serialsOn(signer).toSorted()).toEqual([thief.serialNumber, later.serialNumber].toSorted());
    expect(await problemOf(renewed(signer, later))).toMatchObject({ type: 'forbidden' });
  });

  it('keeps a certificate revoked that only the journal written anew knows', async () => {
    await using site = await openTestSite();
    const stolen = await enrolled(site, 'stolen');
    await using copy = await copyOf(site).then((store) => ({ store, [Symbol.asyncDispose]: () => store.close() }));
    const { clock, settings, registry } = site;
    await site.signer.revocation.revoke(stolen.fingerprint, 'privilegeWithdrawn', 'admin');
    await rm(settings.files.journalFolder, { recursive: true });
    const caughtUp = await openSignerJournal({
      store: site.store,
      clock,
      log: openLog({ level: 'silent' }),
      folder: settings.files.journalFolder,
    });
    await caughtUp.settled();

    const signer = await openSigner(signerOptions({ store: copy.store, clock, settings, registry }));
    expect(await problemOf(renewed(signer, stolen))).toMatchObject({ type: 'forbidden' });
  });

  it('does not take in a certificate that has ended, or that another CA has signed', async () => {
    await using site = await openTestSite();
    await using copy = await copyOf(site).then((store) => ({ store, [Symbol.asyncDispose]: () => store.close() }));
    const child = await enrolled(site, 'child');
    await rm(site.settings.files.journalFolder, { recursive: true });
    await using ca = await TestCa.create();
    const [stranger] = certificatesFromPem((await ca.issue({ subject: [['CN', 'child']] })).certPem);
    if (stranger === undefined) throw new Error('no certificate');
    const foreign = { ...child, fingerprint: stranger.fingerprint, certificate: stranger.der.toString('base64') };
    const { clock, settings, registry } = site;
    const signer = await openSigner(signerOptions({ store: copy.store, clock, settings, registry }));
    expect(await problemOf(renewed(signer, foreign))).toMatchObject({ type: 'forbidden' });
    clock.set(new Date(Date.parse(child.notAfter) + 1000));
    expect(await problemOf(renewed(signer, child))).toMatchObject({ type: 'forbidden' });
  });
});
