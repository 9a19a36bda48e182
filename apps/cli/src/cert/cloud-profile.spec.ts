import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { derFromPem, parseCertificateRequest } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { devicesFor } from '../fixtures/device-certificate.fixture.js';

const device = devicesFor(onTestFinished);

function derOf(pem: string): Buffer {
  const [der = Buffer.alloc(0)] = derFromPem(pem, 'CERTIFICATE REQUEST');
  return der;
}

describe('certificates for profiles of a cloud', () => {
  const settings = `[device]
id = "gateway"
[c8y.profiles.plant2]
url = "plant2.example"
device.id = "plant2-gateway"
device.cert_path = "CERTS/plant2.pem"
device.key_path = "CERTS/plant2.key"
device.csr_path = "CERTS/plant2.csr"
[c8y.profiles.shared.device]
cert_path = "CERTS/shared.pem"
`;

  async function deviceWithProfiles() {
    const one = await device();
    await mkdir(one.certs, { recursive: true });
    await writeFile(join(one.cwd, 'config', 'tedge.toml'), settings.replaceAll('CERTS', one.certs));
    return { ...one, files: async () => (await readdir(one.certs)).sort() };
  }

  const own = ['c8y', '--profile', 'plant2'];

  it('are made, requested, shown, judged, renewed and removed where the profile says', async () => {
    const { run, files, read } = await deviceWithProfiles();

    expect((await run(['cert', 'create', ...own])).stdout).toContain('CN=plant2-gateway');
    expect(await files()).toEqual(['plant2.key', 'plant2.pem']);
    expect((await run(['cert', 'create-csr', ...own])).exitCode).toBe(0);
    expect(parseCertificateRequest(derOf(await read('plant2.csr'))).subject.commonNames).toEqual(['plant2-gateway']);
    expect((await run(['cert', 'show', ...own])).stdout).toContain('CN=plant2-gateway');
    expect((await run(['cert', 'needs-renewal', ...own])).exitCode).toBe(1);
    expect((await run(['cert', 'renew', '--ca', 'self-signed', ...own])).exitCode).toBe(0);
    expect(await files()).toEqual(['plant2.csr', 'plant2.key', 'plant2.pem', 'plant2.pem.asked', 'plant2.pem.new']);
    expect((await run(['cert', 'remove', ...own])).exitCode).toBe(0);
    expect(await files()).toEqual([]);
  });

  it('are chosen by TEDGE_CLOUD_PROFILE too, but only when the cloud is named', async () => {
    const { run, files } = await deviceWithProfiles();
    const env = { TEDGE_CLOUD_PROFILE: 'Plant2' };

    await run(['cert', 'create', 'c8y'], { env });
    expect(await files()).toEqual(['plant2.key', 'plant2.pem']);
    expect((await run(['cert', 'create'], { env })).stdout).toContain('CN=gateway');
    expect(await files()).toEqual(['plant2.key', 'plant2.pem', 'tedge-certificate.pem', 'tedge-private-key.pem']);
  });

  it('are those of the device where the profile says nothing of its own', async () => {
    const { run, files } = await deviceWithProfiles();

    expect((await run(['cert', 'create', 'c8y'])).stdout).toContain('CN=gateway');

    expect(await files()).toEqual(['tedge-certificate.pem', 'tedge-private-key.pem']);
    expect((await run(['cert', 'show', 'c8y'])).stdout).toContain('CN=gateway');
  });

  it('are removed by the command an error about them names', async () => {
    const { run, files } = await deviceWithProfiles();
    await run(['cert', 'create']);
    await run(['cert', 'create', ...own]);

    const { stderr } = await run(['cert', 'create', ...own]);

    expect(stderr).toContain(': sallyport --config-dir config cert remove c8y --profile plant2\n');
    expect(await files()).toContain('tedge-private-key.pem');
  });

  it('are removed without the key of the device, which another certificate needs', async () => {
    const { run, files, certs } = await deviceWithProfiles();
    await run(['cert', 'create']);
    await run(['cert', 'create-csr']);
    const before = await files();
    await writeFile(join(certs, 'shared.pem'), 'the certificate of the profile');

    const { exitCode, stderr } = await run(['cert', 'remove', 'c8y', '--profile', 'shared']);

    const path = join(certs, 'shared.pem');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: `Certificate was successfully removed\n    => ${path}\n`,
    });
    expect(await files()).toEqual(before);
  });

  it.each(['create', 'create-csr', 'show', 'needs-renewal', 'renew', 'remove', 'download'])(
    'are not touched by cert %s for a profile that does not exist',
    async (command) => {
      const { run, files } = await deviceWithProfiles();
      await run(['cert', 'create', ...own]);

      const { exitCode, stderr } = await run(['cert', command, 'c8y', '--profile', 'plant3']);

      expect(exitCode).toBe(command === 'needs-renewal' ? 2 : 1);
      expect(stderr).toContain('There is no profile "plant3".\nThere are: plant2, shared.');
      expect(await files()).toEqual(['plant2.key', 'plant2.pem']);
    },
  );

  it.each([
    ['no cloud', ['--profile', 'plant2'], 'needs the cloud whose profile it is: c8y'],
    ['a cloud without profiles', ['az', '--profile', 'plant2'], 'needs the cloud whose profile it is: c8y'],
    ['a name that is none', ['c8y', '--profile', 'a.b'], 'A profile name has letters, digits, - and _, at least'],
    ['an empty name', ['c8y', '--profile', ''], 'A profile name has letters, digits, - and _, at least'],
  ])('are a wrong call with %s', async (_, words, message) => {
    const { run } = await deviceWithProfiles();

    for (const command of ['show', 'needs-renewal']) {
      const { exitCode, stdout, stderr } = await run(['cert', command, ...words]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain(message);
    }
  });

  it('are an error when TEDGE_CLOUD_PROFILE holds no name', async () => {
    const { run } = await deviceWithProfiles();
    const env = { TEDGE_CLOUD_PROFILE: '../x' };

    const show = await run(['cert', 'show', 'c8y'], { env });
    const needsRenewal = await run(['cert', 'needs-renewal', 'c8y'], { env });

    expect(show).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('TEDGE_CLOUD_PROFILE is "../x"') });
    expect(needsRenewal.exitCode).toBe(2);
  });
});
