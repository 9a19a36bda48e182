import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnNginx, temporaryDirectory } from '@sallyport/testkit';
import { answers, type CloudAnswer, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { certificatesFromPem, encodeCertsOnly } from '@sallyport/x509';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Ran, runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';

let cloud: FakeCloud;
let cwd: string;

/** A device that knows only its tenant, and the CA the tenant's servers have. */
beforeEach(async () => {
  cloud = await fakeCloud({ devices: ['gateway01'] });
  onTestFinished(() => cloud[Symbol.asyncDispose]());
  const directory = temporaryDirectory('sallyport-tenant-');
  onTestFinished(() => directory.remove());
  cwd = directory.path;
  await settings();
});

async function settings(...more: readonly string[]): Promise<void> {
  const lines = [`c8y.http = "localhost:${cloud.api.port}"`, `c8y.root_cert_path = "${cloud.caPath}"`, ...more];
  await writeFile(join(cwd, 'tedge.toml'), `${lines.join('\n')}\n`);
}

function cert(words: readonly string[], world: Partial<World> = {}): Promise<Ran> {
  return runSallyport(['cert', ...words, '--config-dir', cwd], { cwd, ...world });
}

const download = (...words: string[]): Promise<Ran> => cert(['download', 'c8y', '--device-id', 'gateway01', ...words]);

async function certificate(name = 'tedge-certificate.pem'): Promise<X509Certificate> {
  return new X509Certificate(await readFile(join(cwd, 'device-certs', name)));
}

describe('cert download c8y against a tenant', () => {
  it('gets a certificate of the CA of the tenant with the one-time password', async () => {
    cloud.tenant.oneTimePasswordByDevice.set('gateway01', 'a-password');
    const { exitCode, stderr } = await download('--one-time-password', 'a-password', '--debug');

    expect(exitCode).toBe(0);
    expect((await certificate()).checkIssued(new X509Certificate(cloud.deviceCa.certPem))).toBe(true);
    expect(stderr).not.toContain('a-password');
  });

  it('shows where to register, with the password in the link, and goes on when that is done', async () => {
    const passwords: string[] = [];
    const register: CloudAnswer = (request, response) => {
      const credentials = Buffer.from(
        (request.headers.authorization ?? '').slice('Basic '.length),
        'base64',
      ).toString();
      passwords.push(credentials.replace('gateway01:', ''));
      cloud.tenant.oneTimePasswordByDevice.set('gateway01', passwords[0] ?? '');
      return answers.unauthorized()(request, response);
    };
    cloud.api.answer('/.well-known/est/simpleenroll', register, { times: 1 });
    const { exitCode, stderr } = await download('--retry-every', '0s');
    const page = `https://localhost:${cloud.api.port}/apps/devicemanagement/index.html#/deviceregistration`;

    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      `Register the device here: ${page}?externalId=gateway01&one-time-password=${passwords[0]}\n`,
    );
  });

  it('gives up after --max-timeout, and ends with 1', async () => {
    const { exitCode, stderr } = await download('-p', 'never-registered', '--retry-every', '0s', '--max-timeout', '0s');

    expect(exitCode).toBe(1);
    expect(stderr).not.toContain('never-registered');
    expect(stderr).toContain(' refused the one-time password of gateway01.\nRegister the device in the tenant');
    expect(stderr).not.toContain('enroll-token');
    expect(cloud.api.requestsTo('/.well-known/est/simpleenroll')).toHaveLength(1);
  });

  it('sends no password to a server that c8y.root_cert_path does not vouch for', async () => {
    await writeFile(
      join(cwd, 'tedge.toml'),
      `c8y.http = "localhost:${cloud.api.port}"\nc8y.root_cert_path = "${cloud.otherCaPath}"\n`,
    );
    const { exitCode, stderr } = await download('-p', 'a-password');

    expect(exitCode).toBe(1);
    expect(stderr).toContain('its CA is not trusted here');
    expect(cloud.api.requests).toEqual([]);
  });
});

describe('cert renew c8y against a tenant', () => {
  /** nginx is the proxy: it takes `/c8y` away and adds the token of the device. */
  beforeEach(async () => {
    cloud.tenant.oneTimePasswordByDevice.set('gateway01', 'a-password');
    await download('-p', 'a-password');
    const nginx = await spawnNginx(
      [
        `server { listen 127.0.0.1:$port; location /c8y/ { proxy_pass ${cloud.api.url}/; proxy_ssl_name localhost;`,
        `proxy_set_header Authorization "Bearer ${cloud.tokens.issue('gateway01')}"; } }`,
      ].join('\n'),
    );
    onTestFinished(() => nginx.stop());
    await settings(`c8y.proxy.client.port = ${nginx.port}`);
  });

  it('asks the tenant for the next certificate, and leaves it waiting for "reconnect"', async () => {
    const before = await certificate();
    const { exitCode, stdout, stderr } = await cert(['renew', 'c8y']);
    const next = await certificate('tedge-certificate.pem.new');

    expect([exitCode, stdout.includes('tedge-certificate.pem.new')]).toEqual([0, true]);
    expect(stderr).toContain('"tedge reconnect c8y" tries it out');
    expect((await certificate()).serialNumber).toBe(before.serialNumber);
    expect(next.serialNumber).not.toBe(before.serialNumber);
    expect(next.publicKey.equals(before.publicKey)).toBe(true);
    expect(next.subject).toBe('CN=gateway01');
    expect(cloud.api.requests.at(-1)?.header('content-type')).toBe('application/pkcs10');
  });

  it('replaces a certificate that still waits', async () => {
    await cert(['renew', 'c8y', '--ca', 'c8y']);
    const first = await certificate('tedge-certificate.pem.new');
    await cert(['renew', 'c8y']);

    expect((await certificate('tedge-certificate.pem.new')).serialNumber).not.toBe(first.serialNumber);
  });

  it('says what the tenant answered, and changes nothing', async () => {
    cloud.tokens.revokeAll();
    const { exitCode, stderr } = await cert(['renew', 'c8y']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The cloud did not renew the certificate: HTTP client error: 401 Unauthorized');
    await expect(certificate('tedge-certificate.pem.new')).rejects.toThrow('ENOENT');
  });

  it.each([
    ['no certificates', answers.status(200, 'bm90aGluZw==')],
    ['certificates for somebody else', undefined],
  ])('keeps what it has when the tenant answers 200 with %s', async (_, answer) => {
    if (answer !== undefined) cloud.api.answer('/.well-known/est/simplereenroll', answer);
    else cloud.api.answer('/.well-known/est/simplereenroll', answers.status(200, await foreignAnswer()));
    const { exitCode } = await cert(['renew', 'c8y']);

    expect(exitCode).toBe(1);
    await expect(certificate('tedge-certificate.pem.new')).rejects.toThrow('ENOENT');
  });

  async function foreignAnswer(): Promise<string> {
    const { chainPem } = await cloud.deviceCa.issue({ commonName: 'gateway02' });
    return encodeCertsOnly(certificatesFromPem(chainPem).map(({ der }) => der)).toString('base64');
  }
});
