import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceId, enrolmentSecretLength, formatEnrolmentToken } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, parseCertificateRequest } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CertificateFiles, readIdentity } from './certificate-files.js';
import { enrolIdentity } from './enrol.js';
import { certsOnly, EstResponder } from './est-responder.fixture.js';
import { renewIdentity, requestRenewal } from './renew.js';
import { TestSite } from './test-site.fixture.js';

let folder: string;
let files: CertificateFiles;
let responder: EstResponder;
let enrolled: Certificate;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'renew-'));
  files = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem'), caPath: join(folder, 'ca.pem') };
  responder = await EstResponder.start();
  const { fingerprint: caFingerprint } = responder.site.root;
  enrolled = await enrolIdentity({
    files,
    deviceId: deviceId.parse('child01'),
    oneTimePassword: formatEnrolmentToken({ secret: 'A'.repeat(enrolmentSecretLength), caFingerprint }),
    url: responder.url,
  });
});
afterEach(async () => {
  await responder.close();
  await rm(folder, { recursive: true, force: true });
});

const renew = ({ newKey = true } = {}) => renewIdentity({ files, url: responder.url, newKey });

describe('a renewal', () => {
  it('proves itself with the certificate it renews', async () => {
    await renew();

    expect(responder.seen.at(-1)).toMatchObject({ operation: 'simplereenroll', clientName: 'child01' });
  });

  it('with a new key replaces key and certificate', async () => {
    const renewed = await renew({ newKey: true });

    const identity = await readIdentity(files);
    expect(identity?.certificates[0].fingerprint).toBe(renewed.fingerprint);
    expect(renewed.spki).not.toEqual(enrolled.spki);
    expect((await stat(files.keyPath)).mode & 0o777).toBe(0o400);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  });

  it('with the same key replaces only the certificate', async () => {
    const key = await readFile(files.keyPath, 'utf8');

    const renewed = await renew({ newKey: false });

    expect(renewed.spki).toEqual(enrolled.spki);
    expect(renewed.fingerprint).not.toBe(enrolled.fingerprint);
    expect(await readFile(files.keyPath, 'utf8')).toBe(key);
  });

  it('asks for the same subject and leaves the alternative names as they are (RFC 7030 §4.2.2)', async () => {
    await renew();

    const csr = parseCertificateRequest(Buffer.from(responder.seen.at(-1)?.body ?? '', 'base64'));
    expect(csr.subject.der).toEqual(enrolled.subject.der);
    expect(csr.subjectAltNames).toEqual([]);
  });

  it('takes over the roots the server publishes, the next one beside the present one', async () => {
    const next = new TestSite('Next').root;
    const { root, issuing } = responder.site;
    responder.on('cacerts', () => certsOnly([root.der, next.der, issuing.der]));

    await renew();

    const roots = certificatesFromPem(await readFile(files.caPath, 'utf8'));
    expect(roots.map(({ fingerprint }) => fingerprint)).toEqual([root.fingerprint, next.fingerprint]);
  });

  it('only requested writes nothing', async () => {
    const before = await readFile(files.certPath, 'utf8');

    const { chain, privateKey } = await requestRenewal({ files, url: responder.url, newKey: false });

    expect(chain[0].spki).toEqual(enrolled.spki);
    expect(privateKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(await readFile(files.certPath, 'utf8')).toBe(before);
  });
});

describe('a renewal that fails', () => {
  it.each([
    [401, 'credentials-invalid'],
    [403, 'csr-forbidden'],
    [503, 'unavailable'],
  ])('with status %i leaves the certificate and key in force', async (status, type) => {
    responder.on('simplereenroll', () => ({ status }));

    await expect(renew()).rejects.toMatchObject({ type });
    expect((await readIdentity(files))?.certificates[0].fingerprint).toBe(enrolled.fingerprint);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  });

  it('never trusts a server of another CA', async () => {
    const impostor = await EstResponder.start(new TestSite('Impostor'));

    await expect(renewIdentity({ files, url: impostor.url, newKey: true })).rejects.toMatchObject({
      type: 'certificate-rejected',
    });
    expect(impostor.seen).toEqual([]);
    await impostor.close();
  });

  it.each([
    ['certPath', 'Enrol first: sallyport cert download'],
    ['keyPath', 'Enrol first: sallyport cert download'],
    ['caPath', '"sallyport ca export --output FILE" writes it.'],
  ] as const)('without a file at %s names it and says where it comes from', async (missing, remedy) => {
    await rm(files[missing]);

    const problem = await renew().catch((error: unknown) => error);

    expect(problem).toMatchObject({ type: 'not-found', message: expect.stringContaining(files[missing]) });
    expect(problem).toMatchObject({ message: expect.stringContaining(remedy) });
  });

  it('because key and certificate do not pair says so, and sends nothing', async () => {
    await rm(files.keyPath);
    const other = await EstResponder.start();
    const elsewhere = { ...files, certPath: join(folder, 'other.pem') };
    await enrolIdentity({
      files: elsewhere,
      deviceId: deviceId.parse('child01'),
      oneTimePassword: 'secret',
      trust: { rootsPem: [other.site.rootPem] },
      url: other.url,
    });
    const seen = responder.seen.length;

    await expect(renew()).rejects.toMatchObject({ type: 'config-invalid' });
    expect(responder.seen).toHaveLength(seen);
    await other.close();
  });

  it('because the key file is garbage says so', async () => {
    await rm(files.keyPath);
    await writeFile(files.keyPath, 'garbage');

    await expect(renew()).rejects.toMatchObject({ type: 'config-invalid' });
  });
});
