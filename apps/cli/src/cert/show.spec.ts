import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { certifiedDevicesFor, devicesFor } from '../fixtures/device-certificate.fixture.js';

const device = devicesFor(onTestFinished);
const deviceWithCertificate = certifiedDevicesFor(onTestFinished);

describe('cert show', () => {
  it.each([
    ['2025-12-31T23:00:00Z', 'NOT VALID YET (will be in: 1h)'],
    ['2026-01-02T00:00:00Z', 'VALID (expires in: 89d)'],
    ['2026-03-02T00:00:00Z', 'EXPIRES SOON (expires in: 30d)'],
    ['2027-05-02T01:01:01Z', 'EXPIRED (since: 1y 31d 1h 1m 1s)'],
  ])('at %s says %s', async (now, status) => {
    const { run } = await deviceWithCertificate();

    const { exitCode, stdout } = await run(['cert', 'show'], { now: () => new Date(now) });

    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Status:        ${status}\n`);
  });

  it('prints path, names, dates, serial number and thumbprint', async () => {
    const { run, cert, identity } = await deviceWithCertificate();

    const { stdout } = await run(['cert', 'show'], { now: () => new Date('2026-01-02T00:00:00Z') });

    const { serialNumber, fingerprint } = new X509Certificate(identity.certPem);
    expect(stdout.split('\n')).toEqual([
      `Certificate:   ${cert}`,
      'Subject:       CN=child01',
      'Issuer:        O=Test, CN=Test issuing',
      'Status:        VALID (expires in: 89d)',
      'Valid from:    Thu, 01 Jan 2026 00:00:00 +0000',
      'Valid until:   Wed, 01 Apr 2026 00:00:00 +0000',
      `Serial number: ${BigInt(`0x${serialNumber}`)} (0x${serialNumber.toLowerCase()})`,
      `Thumbprint:    ${fingerprint.replaceAll(':', '')}`,
      '',
    ]);
  });

  it('prints any other certificate, and JSON for programs', async () => {
    const { run, cwd, identity } = await deviceWithCertificate();
    await writeFile(join(cwd, 'other.pem'), identity.certPem);

    const { stdout } = await run(['cert', 'show', '--cert-path', 'other.pem', '--json']);

    expect(JSON.parse(stdout)).toMatchObject({
      certificate: join(cwd, 'other.pem'),
      subject: 'CN=child01',
      fingerprint: identity.certificate.fingerprint,
    });
  });

  it('fails when there is no certificate, and when there is garbage', async () => {
    const { run, cwd } = await device();
    await writeFile(join(cwd, 'garbage.pem'), 'garbage');

    const missing = await run(['cert', 'show']);
    const garbage = await run(['cert', 'show', '--cert-path', 'garbage.pem']);

    expect([missing.exitCode, garbage.exitCode]).toEqual([1, 1]);
    expect(missing.stderr).toContain('There is no certificate at');
    expect(garbage.stderr).toContain('holds no certificate');
  });
});

describe('a device certificate that cannot be read', () => {
  const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

  it('does not keep other commands from their work, least of all the one that removes it', async () => {
    const { run, certs, cert } = await device();
    await mkdir(certs, { recursive: true });
    await writeFile(cert, damaged);

    expect((await run(['config', 'get', 'http.bind.port'])).exitCode).toBe(0);
    expect(await run(['config', 'get', 'device.id'])).toMatchObject({ exitCode: 1, stdout: '' });
    expect((await run(['cert', 'create-csr', '--device-id', 'gw'])).exitCode).toBe(0);
    expect((await run(['cert', 'show'])).stderr).toContain('holds a certificate that cannot be read');
    expect((await run(['cert', 'remove'])).exitCode).toBe(0);
    expect(await readdir(certs)).toEqual([]);
  });

  it('is no certificate when it is a directory', async () => {
    const { run, cert } = await device();
    await mkdir(cert, { recursive: true });

    expect((await run(['config', 'list', 'http.bind'])).exitCode).toBe(0);
    expect((await run(['cert', 'create-csr', '--device-id', 'gw'])).exitCode).toBe(0);
  });
});
