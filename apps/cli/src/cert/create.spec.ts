import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '@sallyport/testkit';
import { derFromPem, parseCertificateRequest } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { devicesFor } from '../fixtures/device-certificate.fixture.js';

const device = devicesFor(onTestFinished);

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('cert create', () => {
  it('makes a P-256 key nobody else can read and a self-signed CA certificate with the configured names', async () => {
    const { run, cert, key } = await device();

    const { exitCode, stdout } = await run(['cert', 'create', '--device-id', 'gateway-7']);

    const certificate = new X509Certificate(await readFile(cert));
    expect(exitCode).toBe(0);
    expect(certificate.subject.split('\n').sort()).toEqual(['CN=gateway-7', 'O=Thin Edge', 'OU=Device']);
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.ca).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect([await modeOf(cert), await modeOf(key)]).toEqual([0o444, 0o400]);
    expect(stdout).toMatch(/^Certificate: +.*tedge-certificate\.pem\nSubject: +.*CN=gateway-7/);
  });

  it('counts the requested life from now, so that less than a day is possible', async () => {
    const { run, cert } = await device();
    const now = new Date('2026-05-01T12:00:00Z');

    await run(['cert', 'create', '--device-id', 'gw'], {
      now: () => now,
      env: { TEDGE_CERTIFICATE_VALIDITY_REQUESTED_DURATION: '2h' },
    });

    const { validFromDate, validToDate } = new X509Certificate(await readFile(cert));
    expect(validFromDate).toEqual(new Date('2026-04-30T12:00:00Z'));
    expect(validToDate).toEqual(new Date('2026-05-01T14:00:00Z'));
  });

  it('takes the id from the settings', async () => {
    const { run, cert } = await device();

    await run(['cert', 'create'], { env: { TEDGE_DEVICE_ID: 'from-settings' } });

    expect(new X509Certificate(await readFile(cert)).subject).toContain('CN=from-settings');
  });

  it('says how to give an id when there is none', async () => {
    const { run } = await device();

    expect(await run(['cert', 'create'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error: No device id is known.\nPass it (--device-id ID) or set it (sallyport --config-dir config config set device.id ID).\n',
    });
  });

  it.each([
    ['a space', 'gate way'],
    ['a slash', 'a/b'],
    ['nothing', ''],
    ['65 characters', 'x'.repeat(65)],
  ])('is called wrongly with an id of %s', async (_, id) => {
    const { run, cwd } = await device();

    expect((await run(['cert', 'create', '--device-id', id])).exitCode).toBe(2);
    expect(await readdir(cwd)).toEqual([]);
  });

  it.each(['certificate', 'private-key'])('changes nothing when there is a %s already', async (present) => {
    const { run, certs, read } = await device();
    await mkdir(certs, { recursive: true });
    await writeFile(join(certs, `tedge-${present}.pem`), 'precious');

    const { exitCode, stderr } = await run(['cert', 'create', '--device-id', 'gw']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('sallyport --config-dir config cert remove\n');
    expect(await readdir(certs)).toEqual([`tedge-${present}.pem`]);
    expect(await read(`tedge-${present}.pem`)).toBe('precious');
  });

  it('names a folder that is missing and was not ours to make', async () => {
    const { run, cwd } = await device();

    const { exitCode, stderr } = await run(['cert', 'create', '--device-id', 'gw'], {
      env: { TEDGE_DEVICE_CERT_PATH: join(cwd, 'elsewhere', 'cert.pem') },
    });

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`The folder ${join(cwd, 'elsewhere')} does not exist.`);
  });
});

describe('DEVICE_ID', () => {
  const env = { DEVICE_ID: 'from-environment', TEDGE_DEVICE_ID: 'from-settings' };

  it.each(['create', 'create-csr'])('names the device for cert %s, before the settings do', async (name) => {
    const { run } = await device();

    const { stdout, stderr } = await run(['cert', name], { env });

    expect(stdout + stderr).toContain('from-environment');
  });

  it('counts for nothing beside --device-id, or when it is empty', async () => {
    const one = await device();
    const other = await device();

    expect((await one.run(['cert', 'create', '--device-id', 'given'], { env })).stdout).toContain('CN=given');
    expect((await other.run(['cert', 'create'], { env: { ...env, DEVICE_ID: '' } })).stdout).toContain(
      'CN=from-settings',
    );
  });

  it('is named when it cannot be a device id', async () => {
    const { run, cwd } = await device();

    const { exitCode, stderr } = await run(['cert', 'create'], { env: { DEVICE_ID: 'a b' } });

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^Error: DEVICE_ID is "a b", which .*\nGive the variable another value, or pass --device-id ID\.\n$/,
    );
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe('cert create-csr', () => {
  it('makes a key and a request that OpenSSL verifies', async () => {
    const { run, csr, key } = await device();

    const { exitCode } = await run(['cert', 'create-csr', '--device-id', 'gw']);

    expect(exitCode).toBe(0);
    expect(await mustRun('openssl', ['req', '-in', csr, '-noout', '-verify', '-subject'])).toMatch(/CN ?= ?gw/);
    expect([await modeOf(csr), await modeOf(key)]).toEqual([0o444, 0o400]);
  });

  it('keeps the key and the name of the certificate that is there', async () => {
    const { run, csr, key } = await device();
    await run(['cert', 'create', '--device-id', 'from-certificate']);
    const before = await readFile(key, 'utf8');

    await run(['cert', 'create-csr']);

    const [der = Buffer.alloc(0)] = derFromPem(await readFile(csr, 'utf8'), 'CERTIFICATE REQUEST');
    expect(parseCertificateRequest(der).subject.commonNames).toEqual(['from-certificate']);
    expect(await readFile(key, 'utf8')).toBe(before);
  });

  it('signs with an RSA key as it does with any other', async () => {
    const { run, certs, csr, key } = await device();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await mkdir(certs, { recursive: true });
    await writeFile(key, privateKey.export({ format: 'pem', type: 'pkcs1' }));

    await run(['cert', 'create-csr', '--device-id', 'gw']);

    expect(await mustRun('openssl', ['req', '-in', csr, '-noout', '-text', '-verify'])).toContain(
      'sha256WithRSAEncryption',
    );
  });

  it('overwrites an earlier request, at a path relative to the working directory', async () => {
    const { run, cwd } = await device();
    await writeFile(join(cwd, 'my.csr'), 'old');

    await run(['cert', 'create-csr', '--device-id', 'gw', '--output-path', 'my.csr']);

    expect(await readFile(join(cwd, 'my.csr'), 'utf8')).toContain('BEGIN CERTIFICATE REQUEST');
  });
});
