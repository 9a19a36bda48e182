import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authorityIdOf } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

async function fileIn(site: FakeSite, name: string, content: string | Buffer): Promise<string> {
  const path = join(site.directory, name);
  await writeFile(path, content);
  return path;
}

describe('client-ca decode', () => {
  it('says what a CA is and that it can be added, and asks no service', async () => {
    await using site = await fakeSite();
    const authority = new TestAuthority('Fleet');
    const file = await fileIn(site, 'fleet.pem', authority.rootPem);

    const { exitCode, stdout } = await site.run(['client-ca', 'decode', file]);

    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Certificate: +root CA, X.509 v3$/m);
    expect(stdout).toMatch(/^Subject: +CN=Fleet root,O=Fleet$/m);
    expect(stdout).toMatch(new RegExp(`^Client CA: +${authorityIdOf(authority.root)}$`, 'm'));
    expect(stdout).toMatch(/\nIt can be added as a Client CA\.\n$/);
    expect(site.admin['device-registry'].seen).toEqual([]);
  });

  it('reads DER as it reads PEM, also from standard input', async () => {
    await using site = await fakeSite();
    const authority = new TestAuthority('Fleet');
    const file = await fileIn(site, 'fleet.der', authority.root.der);

    const ofFile = await site.run(['client-ca', 'decode', file]);
    const ofInput = await site.run(['client-ca', 'decode', '-'], { stdin: authority.rootPem });

    expect(ofFile.stdout).toContain('It can be added as a Client CA.');
    expect(ofInput.stdout).toBe(ofFile.stdout);
  });

  it('says once what something else is, and why it cannot be added', async () => {
    await using site = await fakeSite();

    const { stdout } = await site.run(['client-ca', 'decode', '-'], { stdin: 'not a certificate' });

    expect(stdout).toMatch(/^Neither PEM, nor DER, /);
    expect(stdout.match(/Neither PEM/g)).toHaveLength(1);
    expect(stdout).toMatch(/\nIt cannot be added as a Client CA\.\n$/);
  });

  it('warns of a private key, and shows nothing of it', async () => {
    await using site = await fakeSite();
    const { keyPem } = new TestAuthority().issue({ commonName: 'pump-17' });

    const { stdout } = await site.run(['client-ca', 'decode', '-'], { stdin: keyPem });

    expect(stdout).toContain('You pasted a private key.');
    expect(stdout).not.toContain(keyPem.split('\n')[1]);
  });

  it('prints JSON for programs', async () => {
    await using site = await fakeSite();
    const authority = new TestAuthority('Fleet');

    const { stdout } = await site.run(['client-ca', 'decode', '-', '--json'], { stdin: authority.rootPem });

    expect(JSON.parse(stdout)).toMatchObject({ fitsClientCa: true, items: [{ role: 'root-ca' }] });
  });

  it.each([
    [
      'there is none',
      'missing.pem',
      /^Error: There is no file .*missing\.pem\.\nName the file of the certificate, or of the revocation list\.\n$/,
    ],
    ['it is a directory', '.', /^Error: .* is a directory/],
  ])('is explained when a file cannot be read because %s', async (_, file, message) => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['client-ca', 'decode', file]);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(message);
  });

  it('does not read an input without end', async () => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['client-ca', 'decode', '-'], { stdin: 'x'.repeat(1024 * 1024 + 1) });

    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'The input has more than 1048576 bytes, so it is neither a certificate nor a revocation list.',
    );
  });
});
