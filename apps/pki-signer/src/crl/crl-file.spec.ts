import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { enrolmentOf, openTestSite, type TestSite } from '../signer.fixture.js';

async function openSite(): Promise<TestSite & { file: string }> {
  const directory = temporaryDirectory();
  const file = directory.file('crl.pem');
  const site = await openTestSite({ crlFile: file });
  const close = async () => {
    await site[Symbol.asyncDispose]();
    await directory.remove();
  };
  return { ...site, file, [Symbol.asyncDispose]: close };
}

const enrolled = async (site: TestSite, name: string) =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

/** Whether OpenSSL accepts a leaf with the CRLs of the file, as Mosquitto asks it. */
async function isAccepted({ signer, directory, file }: TestSite & { file: string }, leaf: Buffer): Promise<boolean> {
  const write = async (name: string, pem: string) => {
    await writeFile(join(directory, name), pem);
    return join(directory, name);
  };
  const cas = signer.hierarchy.all.map(({ certificate }) => pemFromDer('CERTIFICATE', certificate.der));
  const trusted = await write('cas.pem', cas.join(''));
  const leafPath = await write('leaf.pem', pemFromDer('CERTIFICATE', leaf));
  const args = ['verify', '-crl_check', '-no_check_time', '-CAfile', trusted, '-CRLfile', file, leafPath];
  return (await runProgram('openssl', args)).exitCode === 0;
}

describe('the file of the CRLs (pki.crl.file)', () => {
  it('has what OpenSSL needs, and a revoked certificate in it as soon as it is revoked', async () => {
    await using site = await openSite();
    const [kept, lost] = [await enrolled(site, 'child01'), await enrolled(site, 'child02')];
    await site.signer.crls.buildDue();
    const der = ({ certificate }: typeof kept) => Buffer.from(certificate, 'base64');
    expect([await isAccepted(site, der(kept)), await isAccepted(site, der(lost))]).toEqual([true, true]);
    await site.signer.revocation.revoke(lost.fingerprint, 'keyCompromise', 'test');
    const names = `${site.file}.revoked`;
    await waitFor(async () => (await readFile(names, 'utf8')) === `${lost.serialNumber} child02\n`);
    expect([await isAccepted(site, der(kept)), await isAccepted(site, der(lost))]).toEqual([true, false]);
  });

  it('does not touch the names when only the CRLs are signed again', async () => {
    await using site = await openSite();
    await site.signer.crls.buildDue();
    const before = await stat(`${site.file}.revoked`);
    site.clock.advance(site.settings.crlIntervalSeconds + 1);
    const crls = await readFile(site.file, 'utf8');
    await site.signer.crls.buildDue();
    expect(await readFile(site.file, 'utf8')).not.toBe(crls);
    expect((await stat(`${site.file}.revoked`)).mtimeMs).toBe(before.mtimeMs);
  });

  it('is written later when it could not be written', async () => {
    await using site = await openSite();
    await mkdir(site.file);
    await site.signer.crls.buildDue();
    await rm(site.file, { recursive: true });
    await site.signer.crls.buildDue();
    expect(await readFile(site.file, 'utf8')).toContain('BEGIN X509 CRL');
  });
});
