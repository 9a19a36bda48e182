import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { mustRun } from '@sallyport/testkit';
import { derFromPem, parseCertificateRequest } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { certifiedDevicesFor, devicesFor } from '../fixtures/device-certificate.fixture.js';

const device = devicesFor(onTestFinished);
const deviceWithCertificate = certifiedDevicesFor(onTestFinished);

describe('cert commands of a device that thin-edge.io set up', () => {
  /** Its file: the subject common name first, encoded as thin-edge.io does it, and an attribute we never write. */
  async function deviceOfThinEdge() {
    const made = await device();
    await mkdir(made.certs, { recursive: true });
    const subject = '/CN=d1/O=Thin Edge/OU=Device/C=DE';
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await mustRun('openssl', ['req', '-x509', ...ec, '-subj', subject, '-keyout', made.key, '-out', made.cert]);
    return made;
  }

  it('print names as thin-edge.io does: in their own order, with a comma and a space', async () => {
    const { run } = await deviceOfThinEdge();

    const { stdout } = await run(['cert', 'show']);

    expect(stdout).toContain('Subject:       CN=d1, O=Thin Edge, OU=Device, C=DE\n');
    expect(stdout).toContain('Issuer:        CN=d1, O=Thin Edge, OU=Device, C=DE\n');
  });

  it('keep the subject when they renew a self-signed certificate', async () => {
    const { run } = await deviceOfThinEdge();

    const { exitCode, stdout, stderr } = await run(['cert', 'renew', '--ca', 'self-signed', 'c8y']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('Subject:       CN=d1, O=Thin Edge, OU=Device, C=DE\n');
    expect(stderr).toContain('Certificate renewed successfully\n    => "tedge reconnect c8y" tries');
  });

  it('make the same subject for a new certificate and a new request', async () => {
    const { run, csr } = await device();

    const created = await run(['cert', 'create', '--device-id', 'd1']);
    await run(['cert', 'create-csr']);

    expect(created.stdout).toContain('Subject:       CN=d1, O=Thin Edge, OU=Device\n');
    expect(created.stderr).toMatch(/^Certificate created successfully\n/);
    const [der = Buffer.alloc(0)] = derFromPem(await readFile(csr, 'utf8'), 'CERTIFICATE REQUEST');
    expect(parseCertificateRequest(der).subject.textInOrder).toBe('CN=d1, O=Thin Edge, OU=Device');
  });

  it.each(['show', 'needs-renewal', 'create', 'create-csr', 'remove'])(
    'cert %s prints no words beside JSON',
    async (name) => {
      const { run } = name === 'create' ? await device() : await deviceOfThinEdge();

      const { stdout, stderr } = await run(['cert', name, '--json'], { env: { DEVICE_ID: 'd1' } });

      expect(stderr).toBe('');
      expect(() => JSON.parse(stdout)).not.toThrow();
    },
  );
});

describe('cert remove', () => {
  it('deletes certificate, key and what waits beside them, and says so', async () => {
    const { run, certs, cert, key } = await deviceWithCertificate();
    await writeFile(`${cert}.new`, '');

    expect(await run(['cert', 'remove'])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `Certificate was successfully removed\n    => ${cert}.new\n    => ${cert}\n    => ${key}\n`,
    });
    expect(await readdir(certs)).toEqual([]);
  });

  it('says that there is nothing only when there was nothing', async () => {
    const { run } = await device();

    expect(await run(['cert', 'remove'])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'There is no certificate to remove\n',
    });
  });
});
