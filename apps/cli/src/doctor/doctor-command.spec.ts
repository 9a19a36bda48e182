import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { freePort, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { set } from '../fixtures/broken-site.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

describe('doctor', () => {
  it('finds nothing wrong with a healthy site', async () => {
    await using site = await mutualSite();

    const { exitCode, stdout } = await site.run(['doctor']);

    expect(exitCode).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .every((line) => line.startsWith('ok ')),
    ).toBe(true);
  });
});

describe('doctor on a configuration directory that does not exist', () => {
  it('names the directory, and calls nothing well', async () => {
    await using directory = temporaryDirectory();
    const nowhere = join(directory.path, 'nowhere');

    const { exitCode, stdout } = await runSallyport(['doctor', '--config-dir', nowhere], { cwd: '/' });

    expect(exitCode).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `error    settings: The configuration directory ${nowhere} does not exist, so nothing was checked. If this is not the path you mean, name the right one (--config-dir). A start makes a new site there.`,
      `         mend it: npm start -- --config-dir ${nowhere}`,
      '',
    ]);
  });
});

describe('doctor while Sallyport runs and its sockets are gone', () => {
  it('names the process to stop, and moves no port', async () => {
    await using directory = temporaryDirectory();
    await mkdir(directory.file('pki'));
    const data = directory.file('data');
    await mkdir(join(data, 'mqtt-broker'), { recursive: true });
    const env = { TEDGE_DATA_PATH: data, TEDGE_RUN_PATH: directory.file('run') };
    const child = spawn('sh', ['-c', 'exec 3>mqtt-broker/lock; echo open; read end'], { cwd: data });
    await once(child.stdout, 'data');

    const { stdout } = await runSallyport(['doctor', '--config-dir', directory.path], { cwd: '/', env });

    child.stdin.end();
    expect(stdout).toContain(
      `Sallyport runs here (process ${child.pid}), but its sockets in ${env.TEDGE_RUN_PATH} are gone`,
    );
    expect(stdout).toContain(`mend it: kill ${child.pid}; while kill -0 ${child.pid} `);
    expect(stdout).not.toContain('bind.port');
  });
});

describe('doctor on a child device', () => {
  it('looks at the certificate of the device and asks for no services', async () => {
    await using site = await mutualSite();
    const child = join(site.directory, 'child');
    await mkdir(join(child, 'device-certs'), { recursive: true });
    for (const name of ['tedge-certificate.pem', 'tedge-private-key.pem', 'ca.pem'])
      await writeFile(join(child, 'device-certs', name), await readFile(join(site.device.folder, name)), {
        mode: 0o600,
      });

    const { exitCode, stdout } = await runSallyport(['doctor', '--config-dir', child], {
      cwd: '/',
      env: { TEDGE_PKI_URL: `https://localhost:${site.ports.pki}` },
    });

    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'ok       settings',
      'ok       clock',
      'ok       certificate of this device',
      'ok       revocation of the certificates of this machine',
      'ok       certificates this machine shows as a client',
      'ok       connection to the file transfer',
      'ok       connection to the MQTT broker',
      'ok       configuration of Mosquitto',
      'ok       permissions of keys and secrets',
      'ok       connections to clouds',
      'ok       certificate service',
      '',
    ]);
  });

  it('says that the certificate service cannot be reached', async () => {
    await using site = await mutualSite();
    const child = join(site.directory, 'child');
    await mkdir(join(child, 'device-certs'), { recursive: true });
    await writeFile(join(child, 'device-certs', 'ca.pem'), site.authority.rootPem);

    const { exitCode, stdout } = await runSallyport(['doctor', '--config-dir', child], {
      cwd: '/',
      env: { TEDGE_PKI_URL: `https://localhost:${await freePort()}` },
    });

    expect(exitCode).toBe(1);
    expect(stdout).toContain('warning  certificate service: Cannot talk to https://localhost:');
  });

  it('that has lost its key says where to get a token', async () => {
    await using site = await mutualSite();
    const child = join(site.directory, 'child');
    await mkdir(join(child, 'device-certs'), { recursive: true });
    await writeFile(join(child, 'device-certs', 'tedge-certificate.pem'), await readFile(site.device.cert));

    const { exitCode, stdout } = await runSallyport(['doctor', '--config-dir', child], { cwd: '/' });

    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      'cert download --device-id gateway --url https://localhost:8443 --one-time-password TOKEN',
    );
  });
});

describe('doctor, where an answer is of no use', () => {
  it('goes on when a revocation list is none', async () => {
    await using site = await mutualSite();
    const stranger = createServer((_request, response) => void response.end('<html>'));
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    await set(site, 'pki.public.url', `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);

    const { exitCode, stdout } = await site.run(['doctor']);
    stranger.close();

    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^error +CAs and revocation lists: The revocation list of .* cannot be read/m);
    expect(stdout).toMatch(/^ok +clock$/m);
  });

  it('does not believe a revocation list of another CA', async () => {
    await using site = await mutualSite();
    const crl = new TestAuthority('Other').crl();
    const stranger = createServer((_request, response) => void response.end(crl));
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    await set(site, 'pki.public.url', `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);

    const { stdout } = await site.run(['doctor']);
    stranger.close();

    expect(stdout).toMatch(/^error +CAs and revocation lists: The revocation list of .* is not signed by that CA/m);
  });

  it.each(['GET /v1/trust-bundle', 'GET /v1/ca'])('goes on when the signer cannot answer %s', async (route) => {
    await using site = await mutualSite();
    site.admin['pki-signer'].routes.set(route, () => {
      throw new Problem('unavailable', 'The store is away. Try again later.');
    });

    const { exitCode, stdout } = await site.run(['doctor']);

    expect(exitCode).toBe(1);
    expect(stdout).toContain('The store is away.');
    expect(stdout).toMatch(/^ok +clock$/m);
    expect(stdout.match(/^error/gm)).toHaveLength(1);
  });
});
