import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, runProgram, TestCa } from '@sallyport/testkit';
import {
  certificatesFromPem,
  issueCaCertificate,
  newSerialNumber,
  parseCertificate,
  parseCrl,
  pemFromDer,
} from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { keyIdOf } from '../authority/authority.js';
import { revocationPrefix } from '../inventory/revocation.js';
import { day, enrolmentOf, newKey, openTestSite, type TestSite, turnsDuring } from '../signer.fixture.js';
import type { Signer } from '../signer.js';

const crlOf = ({ crls, hierarchy }: Signer, ca: string) => {
  const crl = crls.find(keyIdOf(hierarchy.byId(ca).certificate));
  if (crl === undefined) throw new Error(`no CRL of ${ca}`);
  return crl;
};

const enrolled = async (site: TestSite, name = 'child01') =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

/** Writes root, issuing CA, leaf and the CRLs of both CAs as PEM files for the openssl command. */
async function writeForOpenssl({ directory, signer }: TestSite, leaf: string) {
  const write = async (name: string, content: string) => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  const pemOf = (ca: string) => pemFromDer('CERTIFICATE', signer.hierarchy.byId(ca).certificate.der);
  const crlPem = (ca: string) => pemFromDer('X509 CRL', crlOf(signer, ca).der);
  return {
    root: await write('root.pem', pemOf('root-1')),
    issuing: await write('issuing.pem', pemOf('device-1')),
    leaf: await write('leaf.pem', pemFromDer('CERTIFICATE', Buffer.from(leaf, 'base64'))),
    crls: await write('crls.pem', crlPem('root-1') + crlPem('device-1')),
    deviceCrl: await write('device.crl', crlPem('device-1')),
  };
}

/** Imports a device CA with this key, signed by that root. */
async function importIssuing({ signer }: TestSite, root: TestCa, key: KeyObject, notAfter: Date): Promise<void> {
  const [issuer] = certificatesFromPem(root.certPem);
  if (issuer === undefined) throw new Error('no root');
  const issuerKey = createPrivateKey(root.certificate.keyPem);
  const names = { commonName: 'Acme Devices', notBefore: issuer.notBefore, notAfter };
  const der = issueCaCertificate({ issuer, issuerKey, publicKey: createPublicKey(key), ...names });
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const bundle = Buffer.from(pemFromDer('CERTIFICATE', der) + root.certPem + keyPem).toString('base64');
  await signer.importer.import({ purpose: 'device', bundle }, 'admin');
}

describe('certificate revocation list', () => {
  it('is built for the root and every issuing CA', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    for (const ca of ['root-1', 'device-1', 'service-1']) {
      const { thisUpdate, nextUpdate } = crlOf(site.signer, ca);
      expect(nextUpdate.getTime() - thisUpdate.getTime()).toBe(7 * day * 1000);
    }
  });

  it('names a revoked certificate, its date and its reason, and no other', async () => {
    await using site = await openTestSite();
    const revoked = await enrolled(site);
    await enrolled(site, 'child02');
    await site.signer.revocation.revoke(revoked.fingerprint, 'keyCompromise', 'admin');
    await site.signer.crls.buildDue();
    const { entries } = parseCrl(crlOf(site.signer, 'device-1').der);
    const revokedAt = new Date(Math.floor(site.clock.now().getTime() / 1000) * 1000);
    expect(entries).toEqual([{ serialNumber: revoked.serialNumber, revokedAt, reason: 'keyCompromise' }]);
    expect(parseCrl(crlOf(site.signer, 'service-1').der).entries).toEqual([]);
  });

  it('convinces openssl, which then accepts a good certificate and refuses a revoked one', async () => {
    await using site = await openTestSite();
    const record = await enrolled(site);
    await site.signer.crls.buildDue();
    const verify = async () => {
      const files = await writeForOpenssl(site, record.certificate);
      await mustRun('openssl', ['crl', '-in', files.deviceCrl, '-noout', '-verify', '-CAfile', files.issuing]);
      const chain = ['-x509_strict', '-crl_check_all', '-CAfile', files.root, '-untrusted', files.issuing];
      return runProgram('openssl', ['verify', ...chain, '-CRLfile', files.crls, files.leaf]);
    };
    expect(await verify()).toMatchObject({ exitCode: 0 });
    await site.signer.revocation.revoke(record.fingerprint, 'superseded', 'admin');
    await site.signer.crls.buildDue();
    expect((await verify()).stderr).toContain('error 23 at 0 depth lookup: certificate revoked');
  });

  it('is built anew each interval although nothing was revoked, and its number rises', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    const numbers = [crlOf(site.signer, 'device-1').crlNumber];
    for (let interval = 0; interval < 3; interval += 1) {
      site.clock.advance(6 * 3600);
      await site.signer.crls.buildDue();
      numbers.push(crlOf(site.signer, 'device-1').crlNumber);
    }
    expect(new Set(numbers).size).toBe(4);
    expect(numbers.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(numbers);
  });

  it('stays as it is while nothing is due', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    const { der } = crlOf(site.signer, 'device-1');
    site.clock.advance(6 * 3600 - 1);
    await site.signer.crls.buildDue();
    expect(crlOf(site.signer, 'device-1').der).toBe(der);
  });

  it('is not built by a revocation itself', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    const { der } = crlOf(site.signer, 'device-1');
    const { fingerprint } = await enrolled(site);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    expect(crlOf(site.signer, 'device-1').der).toBe(der);
  });

  it('names a certificate revoked just before a restart', async () => {
    await using site = await openTestSite();
    const { fingerprint, serialNumber } = await enrolled(site);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    const restarted = await site.restart();
    await restarted.crls.buildDue();
    const { entries } = parseCrl(crlOf(restarted, 'device-1').der);
    expect(entries.map((entry) => entry.serialNumber)).toEqual([serialNumber]);
  });

  it('never goes back in number, not after a restart and not after a restore of the store', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    const before = crlOf(site.signer, 'device-1').crlNumber;
    const { entries: numbers } = await site.store.list('crl-number/');
    expect(numbers).toHaveLength(3);
    for (const { key } of numbers) await site.store.delete(key);
    site.clock.advance(1);
    const restored = await site.restart();
    await restored.crls.buildDue();
    expect(crlOf(restored, 'device-1').crlNumber > before).toBe(true);
  });

  it('rises in number even when the clock is set back', async () => {
    await using site = await openTestSite();
    await site.signer.crls.buildDue();
    const before = crlOf(site.signer, 'device-1').crlNumber;
    site.clock.advance(-3600);
    const restarted = await site.restart();
    await restarted.crls.buildDue();
    expect(crlOf(restarted, 'device-1').crlNumber).toBe(before + 1n);
  });

  it('is built anew when the clock was set back behind its beginning', async () => {
    await using site = await openTestSite();
    site.clock.advance(365 * day);
    await site.signer.crls.buildDue();
    const before = crlOf(site.signer, 'device-1').crlNumber;
    site.clock.advance(-365 * day);
    await site.signer.crls.buildDue();
    const { thisUpdate, crlNumber } = crlOf(site.signer, 'device-1');
    expect(thisUpdate.getTime()).toBe(Math.floor(site.clock.now().getTime() / 1000) * 1000);
    expect(crlNumber).toBe(before + 1n);
  });

  it('never lapses, however the interval is set', async () => {
    await using site = await openTestSite({ crlValiditySeconds: 3600, crlIntervalSeconds: day });
    await site.signer.crls.buildDue();
    site.clock.advance(1800);
    await site.signer.crls.buildDue();
    expect(crlOf(site.signer, 'device-1').thisUpdate.getTime()).toBeGreaterThan(site.clock.now().getTime() - 1000);
  });

  it('names a revoked certificate on every replica, whichever builds first', async () => {
    await using site = await openTestSite();
    const replicas = [site.signer, await site.restart()];
    const { fingerprint, serialNumber } = await enrolled(site);
    for (const { crls } of replicas) await crls.buildDue();
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    for (const { crls } of replicas) await crls.buildDue();
    const listed = replicas.map((signer) => parseCrl(crlOf(signer, 'device-1').der).entries[0]?.serialNumber);
    expect(listed).toEqual([serialNumber, serialNumber]);
  });

  it('leaves time for other work while it is built', async () => {
    await using site = await openTestSite();
    const [revokedAt, notAfter] = [site.clock.now().toISOString(), '2099-01-01T00:00:00.000Z'];
    const revocation = { revokedAt, notAfter, reason: 'superseded' };
    for (let thousands = 0; thousands < 2; thousands += 1) {
      const serials = Array.from({ length: 1000 }, newSerialNumber);
      const put = (serialNumber: string) => ({
        put: `${revocationPrefix('device-1')}${serialNumber}`,
        value: { ...revocation, serialNumber },
      });
      await site.store.transaction([], serials.map(put));
    }
    const turns = await turnsDuring(() => site.signer.crls.buildDue());
    expect(parseCrl(crlOf(site.signer, 'device-1').der).entries).toHaveLength(2000);
    expect(turns).toBeGreaterThanOrEqual(8);
  });

  it('keeps an entry one list longer than its certificate lives, then drops it', async () => {
    await using site = await openTestSite({ deviceValiditySeconds: 3600 });
    const { fingerprint } = await enrolled(site);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    site.clock.advance(3600 + 6 * 3600);
    await site.signer.crls.buildDue();
    expect(parseCrl(crlOf(site.signer, 'device-1').der).entries).toHaveLength(1);
    site.clock.advance(6 * 3600 + 1);
    await site.signer.crls.buildDue();
    expect(parseCrl(crlOf(site.signer, 'device-1').der).entries).toHaveLength(0);
  });

  it('of a CA whose certificate was renewed with the same key names what was issued under either', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create({ commonName: 'Acme Root', notAfter: new Date('2045-01-01T00:00:00Z') });
    const key = newKey();
    const serials: string[] = [];
    for (const year of [2040, 2041]) {
      await importIssuing(site, root, key, new Date(`${year}-01-01T00:00:00Z`));
      const { fingerprint, serialNumber } = await enrolled(site);
      serials.push(serialNumber);
      await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
      await site.signer.crls.buildDue();
    }
    const { entries } = parseCrl(crlOf(site.signer, 'device-3').der);
    expect(entries.map(({ serialNumber }) => serialNumber)).toEqual(serials);
  });

  it('is where the leaf says it is', async () => {
    await using site = await openTestSite();
    const { certificate } = await enrolled(site);
    const keyId = keyIdOf(site.signer.hierarchy.byId('device-1').certificate);
    const leaf = parseCertificate(Buffer.from(certificate, 'base64'));
    expect(leaf.crlDistributionPoints).toEqual([`http://localhost:8442/crl/${keyId}.crl`]);
  });
});
