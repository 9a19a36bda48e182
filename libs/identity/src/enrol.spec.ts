import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceId, enrolmentSecretLength, formatEnrolmentToken } from '@sallyport/protocol';
import { buildCertificateRequest, certificatesFromPem, parseCertificateRequest, pemFromDer } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CertificateFiles, readIdentity } from './certificate-files.js';
import { type EnrolOptions, enrolIdentity } from './enrol.js';
import { certsOnly, EstResponder } from './est-responder.fixture.js';
import { ensurePrivateKey, publicKeyDer, readPrivateKey } from './private-key.js';
import { TestSite } from './test-site.fixture.js';

const secret = 'A'.repeat(enrolmentSecretLength);

let folder: string;
let files: CertificateFiles;
let responder: EstResponder;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'enrol-'));
  files = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem'), caPath: join(folder, 'ca.pem') };
  responder = await EstResponder.start();
});
afterEach(async () => {
  await responder.close();
  await rm(folder, { recursive: true, force: true });
});

const enrol = (options: Partial<EnrolOptions> = {}) =>
  enrolIdentity({
    files,
    deviceId: deviceId.parse('child01'),
    oneTimePassword: formatEnrolmentToken({ secret, caFingerprint: responder.site.root.fingerprint }),
    url: responder.url,
    ...options,
  });
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const sentCsrs = () => responder.seen.filter(({ operation }) => operation === 'simpleenroll').map(({ body }) => body);

describe('enrolment with a one-time token', () => {
  it('writes the leaf with its intermediates, the root, and the key it made', async () => {
    const leaf = await enrol();

    const { site } = responder;
    const written = certificatesFromPem(await readFile(files.certPath, 'utf8'));
    const roots = certificatesFromPem(await readFile(files.caPath, 'utf8'));
    expect(written.map(({ fingerprint }) => fingerprint)).toEqual([leaf.fingerprint, site.issuing.fingerprint]);
    expect(roots.map(({ fingerprint }) => fingerprint)).toEqual([site.root.fingerprint]);
    expect(publicKeyDer(await readPrivateKey(files.keyPath))).toEqual(leaf.spki);
    expect(leaf.key).toEqual({ type: 'ec', curve: 'P-256' });
    expect(leaf.subject.commonNames).toEqual(['child01']);
  });

  it('finds the way to a root that is published, when the issuing CA has a certificate of another root too', async () => {
    const { site } = responder;
    const former = new TestSite('Former').crossCertify(site);
    responder.on('cacerts', () => certsOnly([former.der, site.issuing.der, site.root.der]));

    const leaf = await enrol();

    const written = certificatesFromPem(await readFile(files.certPath, 'utf8'));
    expect(written.map(({ fingerprint }) => fingerprint)).toEqual([leaf.fingerprint, site.issuing.fingerprint]);
  });

  it('keeps the key from everybody else, and the certificates from being changed', async () => {
    await enrol();

    expect(await modeOf(files.keyPath)).toBe(0o400);
    expect(await modeOf(files.certPath)).toBe(0o444);
    expect(await modeOf(files.caPath)).toBe(0o444);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  });

  it('sends the secret of the token as password of the device, and not the fingerprint', async () => {
    await enrol();

    const { headers } = responder.seen.at(-1) ?? {};
    expect(headers?.authorization).toBe(`Basic ${Buffer.from(`child01:${secret}`).toString('base64')}`);
  });

  it('does not mind white space around a token', async () => {
    const token = formatEnrolmentToken({ secret, caFingerprint: responder.site.root.fingerprint });

    await enrol({ oneTimePassword: ` ${token}\n` });

    const { headers } = responder.seen.at(-1) ?? {};
    expect(headers?.authorization).toBe(`Basic ${Buffer.from(`child01:${secret}`).toString('base64')}`);
  });

  it('asks for the names a service needs', async () => {
    await enrol({
      subjectAltNames: [
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ],
    });

    const [csr = ''] = sentCsrs();
    expect(parseCertificateRequest(Buffer.from(csr, 'base64')).subjectAltNames).toEqual([
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ]);
  });

  it('spells the name of an OCF device in lower case, as its certificate will', async () => {
    const leaf = await enrol({ deviceId: deviceId.parse('UUID:B5A2A42E-B285-42F1-A36B-034C8FC8EFD5') });

    const [name = ''] = leaf.subject.commonNames;
    expect(name).toBe('uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5');
    const { headers } = responder.seen.at(-1) ?? {};
    expect(headers?.authorization).toBe(`Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`);
  });

  it('keeps a key that is already there', async () => {
    const privateKey = await ensurePrivateKey(files.keyPath);

    const leaf = await enrol();

    expect(leaf.spki).toEqual(publicKeyDer(privateKey));
  });

  it('does not touch a file that stands where the key belongs and is no key', async () => {
    await writeFile(files.keyPath, 'something precious');

    await expect(enrol()).rejects.toMatchObject({ type: 'config-invalid' });
    expect(await readFile(files.keyPath, 'utf8')).toBe('something precious');
    expect(responder.seen).toEqual([]);
  });
});

describe('enrolment with a bare one-time password', () => {
  it('sends nothing when nobody says whom to trust', async () => {
    await expect(enrol({ oneTimePassword: 'secret-password' })).rejects.toMatchObject({
      type: 'invalid-request',
      message: expect.not.stringContaining('secret-password'),
    });
    expect(responder.seen).toEqual([]);
  });

  it('works with the CA file of the site', async () => {
    const leaf = await enrol({ oneTimePassword: 'secret', trust: { rootsPem: [responder.site.rootPem] } });

    expect(leaf.subject.commonNames).toEqual(['child01']);
  });
});

describe('the password of a cloud', () => {
  it.each(['pass.word', 'a.b.c', `${secret}.short`, '.'])('is sent whole: %s', async (oneTimePassword) => {
    await enrol({ oneTimePassword, trust: { rootsPem: [responder.site.rootPem] } });

    const { headers } = responder.seen.at(-1) ?? {};
    expect(headers?.authorization).toBe(`Basic ${Buffer.from(`child01:${oneTimePassword}`).toString('base64')}`);
  });
});

describe('a CA file or system trust, and a server without cacerts', () => {
  it('leaves the roots alone and keeps what the server issued', async () => {
    responder.on('cacerts', () => ({ status: 404 }));

    const leaf = await enrol({ oneTimePassword: 'secret', trust: { rootsPem: [responder.site.rootPem] } });

    expect(leaf.subject.commonNames).toEqual(['child01']);
    expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
  });
});

describe('a signing request of the user', () => {
  it('is sent as it is and left where it is', async () => {
    const csrPath = join(folder, 'my.csr');
    const privateKey = await ensurePrivateKey(files.keyPath);
    const csr = buildCertificateRequest({ privateKey, commonName: 'child01', organization: 'Acme' });
    await writeFile(csrPath, `Some text\n${pemFromDer('CERTIFICATE REQUEST', csr).replaceAll(' CERT', ' NEW CERT')}`);

    await enrol({ csrPath });

    expect(sentCsrs()).toEqual([`${csr.toString('base64')}\n`]);
    expect(await readdir(folder)).toContain('my.csr');
  });

  it('is neither sent nor overwritten when it is not readable', async () => {
    const csrPath = join(folder, 'my.csr');
    const text = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n';
    await writeFile(csrPath, text);

    await expect(enrol({ csrPath })).rejects.toMatchObject({ type: 'csr-rejected' });
    expect(await readFile(csrPath, 'utf8')).toBe(text);
  });

  it('is neither sent nor overwritten when it is for another key', async () => {
    const csrPath = join(folder, 'my.csr');
    const privateKey = await ensurePrivateKey(join(folder, 'other-key.pem'));
    const pem = pemFromDer('CERTIFICATE REQUEST', buildCertificateRequest({ privateKey, commonName: 'child01' }));
    await writeFile(csrPath, pem);

    await expect(enrol({ csrPath })).rejects.toMatchObject({ type: 'conflict' });
    expect(await readFile(csrPath, 'utf8')).toBe(pem);
    expect(responder.seen).toEqual([]);
  });
});

describe('a broken enrolment', () => {
  it('is taken up again with the same CSR, so that the signer gives the same certificate', async () => {
    responder.on('simpleenroll', (_, response) => {
      response.destroy();
      return undefined;
    });
    await expect(enrol()).rejects.toMatchObject({ type: 'unavailable' });
    responder.on('simpleenroll', ({ body }) =>
      certsOnly([responder.site.issueDevice(Buffer.from(body, 'base64')).der]),
    );

    await enrol();

    const [first, second] = sentCsrs();
    expect(second).toBe(first);
  });

  it('makes a new CSR when it is for another name', async () => {
    responder.on('simpleenroll', () => ({ status: 503 }));
    await expect(enrol()).rejects.toMatchObject({ type: 'unavailable' });

    await expect(enrol({ deviceId: deviceId.parse('child02') })).rejects.toMatchObject({ type: 'unavailable' });

    const names = sentCsrs().map((csr) => parseCertificateRequest(Buffer.from(csr, 'base64')).subject.commonNames);
    expect(names).toEqual([['child01'], ['child02']]);
  });

  it.each(['-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n', '-----BEGIN', ''])(
    'is not held up by what is left of the signing request: %j',
    async (rest) => {
      await writeFile(`${files.certPath}.csr`, rest);

      await expect(enrol()).resolves.toMatchObject({ subject: { commonNames: ['child01'] } });
    },
  );

  it('does not spend the token when the CA certificates cannot be had', async () => {
    const trust = { rootsPem: [responder.site.rootPem] };
    responder.on('cacerts', () => ({ status: 503 }));

    await expect(enrol({ trust })).rejects.toMatchObject({ type: 'unavailable' });
    expect(sentCsrs()).toEqual([]);
  });

  it('leaves an older certificate in force', async () => {
    const leaf = await enrol();
    responder.on('simpleenroll', () => ({ status: 401 }));

    await expect(enrol()).rejects.toMatchObject({ type: 'credentials-invalid' });
    expect((await readIdentity(files))?.certificates[0].fingerprint).toBe(leaf.fingerprint);
  });
});

describe('a certificate that is not what was asked for', () => {
  it.each([
    ['another key', () => certsOnly([responder.site.root.der])],
    ['another name', (csr: Buffer) => certsOnly([responder.site.issueDevice(csr, 'child99').der])],
    ['another CA', (csr: Buffer) => certsOnly([new TestSite('Stranger').issueDevice(csr).der])],
    [
      'the past, from a signer whose clock is wrong',
      (csr: Buffer) => {
        const past = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 60_000) };
        return certsOnly([responder.site.issueDevice(csr, 'child01', past).der]);
      },
    ],
  ])('is not written: it is for or from %s', async (_, answer) => {
    responder.on('simpleenroll', ({ body }) => answer(Buffer.from(body, 'base64')));

    await expect(enrol()).rejects.toMatchObject({ type: 'certificate-rejected' });
    expect((await readdir(folder)).sort()).toEqual(['cert.pem.csr', 'key.pem']);
  });
});

describe('the folder', () => {
  it('must exist', async () => {
    const missing = join(folder, 'none');

    await expect(enrol({ files: { ...files, keyPath: join(missing, 'key.pem') } })).rejects.toMatchObject({
      code: 'ENOENT',
    });
    expect(responder.seen).toEqual([]);
  });

  it('may hold a read-only certificate of an earlier enrolment', async () => {
    await enrol();
    await chmod(files.certPath, 0o400);

    await expect(enrol()).resolves.toMatchObject({ subject: { commonNames: ['child01'] } });
  });
});
