import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newPrivateKey } from '@sallyport/identity';
import { buildCertificateRequest, certificatesFromPem, parseCertificateRequest, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const uuid = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const name = `uuid:${uuid}`;

const leafIn = async (path: string) => certificatesFromPem(await readFile(path, 'utf8'));

describe('coap identity', () => {
  it('makes a key of the owner alone, and leaves certificate, key and CA in a folder named as the device', async () => {
    await using site = await fakeSite();
    const { exitCode, stdout, stderr } = await site.run(['coap', 'identity', '--device', uuid]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });

    const folder = join(dirname(site.directory), uuid);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'identity.key', 'identity.pem']);
    const chain = await leafIn(join(folder, 'identity.pem'));
    expect(chain.map(({ subject }) => subject.commonNames[0])).toEqual([name, 'Test issuing']);
    expect(await readFile(join(folder, 'ca.pem'), 'utf8')).toBe(site.authority.rootPem);
    expect((await stat(join(folder, 'identity.key'))).mode & 0o077).toBe(0);
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      `Device:      ${name}`,
      `Certificate: ${join(folder, 'identity.pem')}`,
      `Private key: ${join(folder, 'identity.key')}`,
      `CA:          ${join(folder, 'ca.pem')}`,
    ]);
  });

  it('asks for a token of the device, whatever the spelling of its UUID', async () => {
    await using site = await fakeSite();
    await site.run(['coap', 'identity', '--device', `uuid:${uuid.toUpperCase()}`, '--out', 'd', '--reinstate']);
    expect(site.admin['pki-signer'].seen).toEqual([
      {
        route: 'POST /v1/enrollments',
        body: { deviceId: name, profile: 'device', reinstate: true, subjectAltNames: [] },
      },
    ]);
  });

  it('leaves the key on the device when it is given its signing request', async () => {
    await using site = await fakeSite();
    const folder = join(dirname(site.directory), 'd');
    const csr = buildCertificateRequest({ privateKey: await newPrivateKey(), commonName: name });
    await writeFile(join(dirname(site.directory), 'device.csr'), pemFromDer('CERTIFICATE REQUEST', csr));

    const words = ['coap', 'identity', '--device', uuid, '--csr', 'device.csr', '--out', 'd', '--json'];
    const { exitCode, stdout } = await site.run(words);
    expect(exitCode).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'identity.pem']);
    const [leaf] = await leafIn(join(folder, 'identity.pem'));
    expect(leaf?.spki).toEqual(parseCertificateRequest(csr).spki);
    expect(JSON.parse(stdout)).toEqual({
      deviceId: name,
      certificate: join(folder, 'identity.pem'),
      ca: join(folder, 'ca.pem'),
      validUntil: leaf?.notAfter.toISOString(),
      fingerprint: leaf?.fingerprint,
    });
  });

  it('does not touch the identity of another device', async () => {
    await using site = await fakeSite();
    const other = '00000000-0000-4000-8000-000000000001';
    await site.run(['coap', 'identity', '--device', other, '--out', 'd']);
    const before = await readFile(join(dirname(site.directory), 'd', 'identity.pem'), 'utf8');

    const { exitCode, stderr } = await site.run(['coap', 'identity', '--device', uuid, '--out', 'd']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`is the identity of uuid:${other}; nothing was issued.`);
    expect(await readFile(join(dirname(site.directory), 'd', 'identity.pem'), 'utf8')).toBe(before);
  });

  it.each([
    ['no device', []],
    ['a name that is no UUID', ['--device', 'light1']],
    ['a UUID that is too short', ['--device', 'b5a2a42e-b285-42f1-a36b']],
  ])('is called wrongly with %s', async (_, words) => {
    await using site = await fakeSite();
    expect(await site.run(['coap', 'identity', ...words])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('says that there is no request in the file', async () => {
    await using site = await fakeSite();
    const { exitCode, stderr } = await site.run(['coap', 'identity', '--device', uuid, '--csr', 'none.csr']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('There is no signing request in ')]);
    expect(site.admin['pki-signer'].seen).toEqual([]);
  });
});
