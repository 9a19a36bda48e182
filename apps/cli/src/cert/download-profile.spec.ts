import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { childrenAndSignersFor } from '../fixtures/child-and-signer.fixture.js';

const childAndSigner = childrenAndSignersFor(onTestFinished);

describe('cert download c8y --profile', () => {
  it('asks the host of the profile, with its id, and leaves the files of the device alone', async () => {
    const { run, cwd, certs, server } = await childAndSigner();
    await writeFile(join(cwd, 'ca.pem'), server.authority.rootPem);
    await mkdir(certs, { recursive: true });
    await writeFile(join(certs, 'ca.pem'), 'CA of the site');
    const plant2 = { TEDGE_C8Y_PROFILES_PLANT2_DEVICE_ID: 'at-plant2' };
    const paths = {
      TEDGE_C8Y_PROFILES_PLANT2_DEVICE_CERT_PATH: join(certs, 'plant2.pem'),
      TEDGE_C8Y_PROFILES_PLANT2_DEVICE_KEY_PATH: join(certs, 'plant2.key'),
    };

    const { exitCode, stdout } = await run(
      ['download', 'c8y', '--profile', 'plant2', '--url', server.url, '--ca', 'ca.pem', '-p', 'chosen'],
      { env: { TEDGE_DEVICE_ID: 'gateway', ...plant2, ...paths } },
    );

    expect(exitCode).toBe(0);
    expect(stdout).toContain('CN=at-plant2');
    expect(server.passwords).toEqual(['at-plant2:chosen']);
    expect((await readdir(certs)).sort()).toEqual(['ca.pem', 'plant2.key', 'plant2.pem', 'plant2.pem.ca']);
    expect(await readFile(join(certs, 'ca.pem'), 'utf8')).toBe('CA of the site');
  });

  it('asks nobody while no host of the cloud is known, least of all the CA of the site', async () => {
    const { run, server } = await childAndSigner();
    const env = { TEDGE_PKI_URL: server.url, TEDGE_C8Y_PROFILES_PLANT2_DEVICE_ID: 'a' };

    const main = await run(['download', 'c8y', '--device-id', 'a'], { env });
    const profile = await run(['download', 'c8y', '--profile', 'plant2'], { env });

    expect(main).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error: No host of the cloud is known.\nPass it (--url HOST) or set it (sallyport --config-dir ./child config set c8y.url HOST).\n',
    });
    expect(profile.stderr).toContain('(sallyport --config-dir ./child config set c8y.url HOST --profile plant2)');
    expect(server.passwords).toEqual([]);
  });

  it('names the host of the profile when it cannot be reached', async () => {
    const { run } = await childAndSigner();
    const words = ['download', 'c8y', '--profile', 'plant2', '-p', 'x', '--max-timeout', '0s', '--device-id', 'a'];

    const { exitCode, stderr } = await run(words, {
      env: { TEDGE_C8Y_URL: 'main.invalid', TEDGE_C8Y_PROFILES_PLANT2_URL: 'plant2.invalid' },
    });

    expect(exitCode).toBe(1);
    expect(stderr).toContain('https://plant2.invalid');
    expect(stderr).not.toContain('main.invalid');
  });
});
