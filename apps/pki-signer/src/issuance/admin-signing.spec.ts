import { readFile } from 'node:fs/promises';
import { mustRun, temporaryDirectory } from '@sallyport/testkit';
import { pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, id, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const sign = ({ signer }: TestSite, csr: Buffer) => {
  const request = { name: id('boss'), profile: 'admin' as const, subjectAltNames: [] };
  return signer.adminSigning.sign({ ...request, csr: pemFromDer('CERTIFICATE REQUEST', csr) }, 'admin');
};

describe('signing for an administrator', () => {
  it('that is refused is written into the audit log, and counted', async () => {
    await using site = await openTestSite();
    expect((await problemOf(sign(site, csrFor('somebody')))).type).toBe('csr-forbidden');
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.at(-1)).toMatchObject({
      action: 'request-refused',
      actor: 'admin',
      subject: 'boss',
      outcome: 'refused',
      details: { reason: 'csr-forbidden', csrDigest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect((await site.signer.metrics.rejected.get()).values).toMatchObject([{ value: 1 }]);
  });

  it('names what the request asked for and does not get', async () => {
    await using site = await openTestSite();
    await using files = temporaryDirectory();
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', files.file('key')];
    const asking = ['-subj', '/CN=boss', '-addext', 'extendedKeyUsage=serverAuth', '-outform', 'DER'];
    await mustRun('openssl', ['req', '-new', ...newKey, ...asking, '-out', files.file('csr')]);
    expect((await sign(site, await readFile(files.file('csr')))).leftOut).toEqual(['extendedKeyUsage=serverAuth']);
  });

  it('answers every one of several who send the same request at once', async () => {
    await using site = await openTestSite();
    const csr = csrFor('boss');
    const signed = await Promise.all([sign(site, csr), sign(site, csr)]);
    expect(new Set(signed.map(({ fingerprint }) => fingerprint)).size).toBe(2);
  });
});
