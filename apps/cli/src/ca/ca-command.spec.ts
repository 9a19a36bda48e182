import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const hierarchyOf = (site: Awaited<ReturnType<typeof fakeSite>>) =>
  site.admin['pki-signer'].routes.get('GET /v1/ca') ?? (() => undefined);

describe('ca show', () => {
  it('prints the fingerprint of the root and every CA', async () => {
    await using site = await fakeSite();

    const { stdout } = await site.run(['ca', 'show']);

    expect(stdout).toContain(`Root (SHA-256): ${site.authority.root.fingerprint}\n`);
    expect(stdout).toMatch(/^device-1 +device +active +\S+ +yes +CN=Test issuing,O=Test$/m);
  });
});

describe('ca export', () => {
  it('prints the roots to trust', async () => {
    await using site = await fakeSite();

    expect(await site.run(['ca', 'export'])).toEqual({
      exitCode: 0,
      stdout: site.authority.rootPem,
      stderr: '',
    });
  });

  it('writes them to a file relative to the working directory', async () => {
    await using site = await fakeSite();

    await site.run(['ca', 'export', '-o', 'roots.pem'], { cwd: site.directory });

    expect(await readFile(join(site.directory, 'roots.pem'), 'utf8')).toBe(site.authority.rootPem);
  });

  it('writes one CA with its key only into a file, 0600, under the passphrase of a file', async () => {
    await using site = await fakeSite();
    site.admin['pki-signer'].routes.set('POST /v1/ca/export', () => ({
      certificates: site.authority.rootPem,
      pkcs12: Buffer.from('pkcs12').toString('base64'),
    }));
    const words = ['ca', 'export', 'root-1', '--with-key', '-o', join(site.directory, 'root.p12')];

    const { exitCode } = await site.run([...words, '--passphrase-file', '-'], { stdin: 'correct horse battery\n' });

    expect(exitCode).toBe(0);
    expect(site.admin['pki-signer'].seen.at(-1)?.body).toEqual({ id: 'root-1', passphrase: 'correct horse battery' });
    expect(await readFile(join(site.directory, 'root.p12'), 'utf8')).toBe('pkcs12');
    expect((await stat(join(site.directory, 'root.p12'))).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['without a file', ['root-1', '--with-key', '--passphrase-file', '-'], 'not written to standard output'],
    ['without saying which', ['--with-key', '-o', 'x', '--passphrase-file', '-'], 'Which CA'],
    ['without a passphrase', ['root-1', '--with-key', '-o', 'x'], 'No passphrase is given'],
  ])('gives out no key %s', async (_, words, reason) => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['ca', 'export', ...words], { stdin: 'passphrase' });

    expect(exitCode).toBe(1);
    expect(stderr).toContain(reason);
    expect(site.admin['pki-signer'].seen).toEqual([]);
  });
});

describe('ca rotate', () => {
  it('asks for a new issuing CA with its overlap', async () => {
    await using site = await fakeSite();
    site.admin['pki-signer'].routes.set('POST /v1/ca/rotate', hierarchyOf(site));

    const { exitCode, stdout } = await site.run(['ca', 'rotate', '--purpose', 'service', '--overlap', '7d']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('device-1');
    expect(site.admin['pki-signer'].seen.at(-1)?.body).toEqual({ purpose: 'service', overlapSeconds: 604_800 });
  });
});

describe('ca import', () => {
  it('sends the bundle and its passphrase', async () => {
    await using site = await fakeSite();
    await writeFile(join(site.directory, 'ca.p12'), 'bundle');
    await writeFile(join(site.directory, 'passphrase'), 'secret\n');
    site.admin['pki-signer'].routes.set('POST /v1/ca/import', hierarchyOf(site));
    const words = ['ca', 'import', 'ca.p12', '--purpose', 'device', '--passphrase-file', 'passphrase'];

    const { exitCode } = await site.run(words, { cwd: site.directory });

    expect(exitCode).toBe(0);
    expect(site.admin['pki-signer'].seen.at(-1)?.body).toEqual({
      purpose: 'device',
      bundle: Buffer.from('bundle').toString('base64'),
      passphrase: 'secret',
    });
  });

  it.each([
    ['no purpose', ['ca.p12'], 2],
    ['no such file', ['none.p12', '--purpose', 'device'], 1],
  ])('fails with %s', async (_, words, exitCode) => {
    await using site = await fakeSite();

    expect((await site.run(['ca', 'import', ...words], { cwd: site.directory })).exitCode).toBe(exitCode);
  });
});

describe('ca import of a file that is too large', () => {
  it('says so without reading it', async () => {
    await using site = await fakeSite();
    const file = join(site.directory, 'disk.img');
    await writeFile(file, '');
    await truncate(file, 3 * 1024 ** 3);

    const { exitCode, stderr } = await site.run(['ca', 'import', file, '--purpose', 'device']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('has 3221225472 bytes, a CA bundle has 1 to 180000.');
  });
});
