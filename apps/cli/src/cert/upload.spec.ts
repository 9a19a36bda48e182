import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:tls';
import { adminSocketPath, authorityProof } from '@sallyport/protocol';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { authorityDescription } from '../fixtures/fake-site.fixture.js';
import { type Ran, runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

let cloud: FakeCloud;
beforeAll(async () => {
  cloud = await fakeCloud({ devices: ['gateway01'], needsProofOfPossession: true });
});
afterAll(() => cloud[Symbol.asyncDispose]());

interface Device {
  readonly path: (name: string) => string;
  run(words: readonly string[], world?: Partial<World>): Promise<Ran>;
}

async function device(): Promise<Device> {
  const directory = temporaryDirectory('sp-');
  onTestFinished(() => directory.remove());
  const { api, mqtt, caPath } = cloud;
  const toml = `device.id = "gateway01"\n[c8y]\nurl = "localhost"\nhttp = "localhost:${api.port}"\nmqtt = "localhost:${mqtt.port}"\nroot_cert_path = "${caPath}"\n`;
  await writeFile(directory.file('tedge.toml'), toml);
  return {
    path: (name) => directory.file(name),
    run: (words, world = {}) =>
      runSallyport(['--config-dir', directory.path, ...words], { cwd: directory.path, ...world }),
  };
}

/** A device with a self-signed certificate, as `cert create` makes it. */
async function selfSignedDevice(): Promise<Device> {
  const made = await device();
  expect(await made.run(['cert', 'create', '--device-id', 'gateway01'])).toMatchObject({ exitCode: 0 });
  return made;
}

const operator = () => ({ C8Y_USER: cloud.user.name, C8Y_PASSWORD: cloud.user.password });

describe('cert upload c8y', () => {
  it('lets the tenant trust the self-signed certificate, under the id of the device', async () => {
    const { run } = await selfSignedDevice();
    const { exitCode, stdout } = await run(['cert', 'upload', 'c8y'], { env: operator() });
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: 'Certificate "gateway01" uploaded successfully to tenant t12345.\n',
    });
    expect(cloud.trusted.list().map(({ name }) => name)).toContain('gateway01');
  });

  it('is fine when it is there already', async () => {
    const { run } = await selfSignedDevice();
    await run(['cert', 'upload', 'c8y'], { env: operator() });
    expect(await run(['cert', 'upload', 'c8y'], { env: operator() })).toMatchObject({
      exitCode: 0,
      stdout: 'Certificate "gateway01" already exists in tenant t12345.\n',
    });
  });

  it('uploads the renewed certificate while one waits', async () => {
    const { run } = await selfSignedDevice();
    await run(['cert', 'renew', 'c8y', '--ca', 'self-signed']);
    const { stdout: shown } = await run(['cert', 'show', '--new', '--json']);
    const { stdout } = await run(['cert', 'upload', 'c8y', '--json'], { env: operator() });
    expect(JSON.parse(shown)).toMatchObject({ thumbprint: JSON.parse(stdout).fingerprint.toUpperCase() });
  });

  it.each([
    ['the options', ['--user', 'operator', '--password', 'fake-cloud-password'], {}],
    ['C8YPASS, which is deprecated', ['--user', 'operator'], { env: { C8YPASS: 'fake-cloud-password' } }],
    [
      'standard input, for the password',
      ['--user', 'operator', '--password-file', '-'],
      { stdin: 'fake-cloud-password\n' },
    ],
    ['standard input, for the user name', [], { stdin: 'operator\n', env: { C8Y_PASSWORD: 'fake-cloud-password' } }],
  ])('takes the user from %s', async (_, words, world) => {
    const { run } = await selfSignedDevice();
    const { exitCode, stdout, stderr } = await run(['cert', 'upload', 'c8y', '--debug', ...words], world);
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toContain('fake-cloud-password');
  });

  it('asks for nothing where there is no terminal', async () => {
    const { run } = await selfSignedDevice();
    const { exitCode, stderr } = await run(['cert', 'upload', 'c8y', '--user', 'operator']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('There is no terminal to type the password at: standard input is none.');
  });

  it('with a wrong password fails, and shows no word of it', async () => {
    const { run } = await selfSignedDevice();
    const env = { C8Y_USER: 'operator', C8Y_PASSWORD: 'wrong-password' };
    const { exitCode, stdout, stderr } = await run(['cert', 'upload', 'c8y', '--debug'], { env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(`localhost:${cloud.api.port} does not accept the user "operator" with this password.`);
    expect(stderr).not.toContain('wrong-password');
  });

  it('of a certificate that a CA has issued leads to the CA', async () => {
    const made = await device();
    const { certPem } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
    await writeFile(made.path('c.pem'), certPem);
    await made.run(['config', 'set', 'device.cert_path', made.path('c.pem')]);
    const { exitCode, stderr } = await made.run(['cert', 'upload', 'c8y'], { env: operator() });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('cert upload c8y --ca FILE (--ca site for the CA of this site)');
  });

  it('trusts only the CAs of c8y.root_cert_path', async () => {
    const { run } = await selfSignedDevice();
    await run(['config', 'set', 'c8y.root_cert_path', cloud.otherCaPath]);
    const { exitCode, stderr } = await run(['cert', 'upload', 'c8y'], { env: operator() });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('its issuer (CN=Fake Cloud Server CA) is none of the CAs at');
  });

  it.each([
    ['garbage', () => 'SSH-2.0-OpenSSH_9.2\r\n', 'does not answer as an HTTP server does'],
    [
      '10,000 headers',
      () => `HTTP/1.1 200 OK\r\n${'X-A: 1\r\n'.repeat(10_000)}\r\n`,
      'does not answer as an HTTP server does (HPE_HEADER_OVERFLOW)',
    ],
    ['half an answer', () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"name"', 'failed: ECONNRESET.'],
    [
      'an endless body',
      () => `HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n${' '.repeat(2_000_000)}`,
      'The cloud answered with more than 1048576 bytes.',
    ],
    ['no JSON', () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'answered with status 200 instead of the name'],
  ])('fails in words when the tenant answers %s', async (_, answer, words) => {
    const certificate = await cloud.deviceCa.issue({ subjectAltNames: ['DNS:localhost'] });
    const server = createServer({ cert: certificate.certPem, key: certificate.keyPem }, (socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end(answer()));
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const made = await selfSignedDevice();
    const port = typeof address === 'object' ? address?.port : 0;
    await made.run(['config', 'set', 'c8y.http', `localhost:${port}`]);
    await made.run(['config', 'set', 'c8y.root_cert_path', cloud.deviceCa.certPath]);
    const { exitCode, stderr } = await made.run(['cert', 'upload', 'c8y'], { env: operator() });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(words) });
  });

  it('needs the cloud, and --ca for --ca-key', async () => {
    const { run } = await device();
    expect(await run(['cert', 'upload'])).toMatchObject({ exitCode: 2 });
    expect(await run(['cert', 'upload', 'c8y', '--ca-key', 'k'])).toMatchObject({ exitCode: 2 });
  });
});

describe('cert upload c8y --ca', () => {
  const isProved = (name: string) => cloud.trusted.list().find((one) => one.name === name)?.isProved;

  it('proves with the key that the CA is ours', async () => {
    await using ca = await TestCa.create({ commonName: 'Plant CA' });
    const { run } = await device();
    const words = ['cert', 'upload', 'c8y', '--ca', ca.certPath, '--ca-key', ca.certificate.keyPath];
    expect(await run(words, { env: operator() })).toMatchObject({ exitCode: 0 });
    expect(isProved('Plant CA')).toBe(true);
  });

  it('without the key says what is missing, and proves when it is run again with it', async () => {
    await using ca = await TestCa.create({ commonName: 'Later CA', key: 'RSA 2048' });
    const { run } = await device();
    const words = ['cert', 'upload', 'c8y', '--ca', ca.certPath];
    const { stdout } = await run(words, { env: operator() });
    expect(stdout).toContain('The tenant trusts it only after a proof that you hold its key.');
    expect(isProved('Later CA')).toBe(false);
    await run([...words, '--ca-key', ca.certificate.keyPath], { env: operator() });
    expect(isProved('Later CA')).toBe(true);
  });

  it('refuses a key of another CA, and a file without a CA', async () => {
    await using ca = await TestCa.create({ commonName: 'Plant CA' });
    const leaf = await ca.issue({ commonName: 'gateway01' });
    const { run } = await device();
    const wrongKey = await run(['cert', 'upload', 'c8y', '--ca', ca.certPath, '--ca-key', leaf.keyPath]);
    expect(wrongKey.stderr).toContain(`does not hold the private key of ${ca.certPath}`);
    const noCa = await run(['cert', 'upload', 'c8y', '--ca', leaf.certPath]);
    expect(noCa.stderr).toContain('and no CA certificate comes first in it.');
  });

  it('site takes the active CA for devices, and the signer proves that its key is here', async () => {
    const made = await device();
    const authority = new TestAuthority();
    const signer = await AdminServer.listen(adminSocketPath(made.path('run'), 'pki-signer', '/'), {
      'GET /v1/ca': () => ({
        trustBundleVersion: 1,
        caFingerprint: authority.root.fingerprint,
        authorities: [authorityDescription('device-1', 'device', authority.issuing)],
      }),
      'POST /v1/ca/export': () => ({ certificates: authority.issuingPem }),
      'POST /v1/ca/prove': ({ body }) => ({ signature: authority.signText(authorityProof.parse(body).code) }),
    });
    onTestFinished(() => signer.close());
    expect(await made.run(['cert', 'upload', 'c8y', '--ca', 'site'], { env: operator() })).toMatchObject({
      exitCode: 0,
    });
    expect(isProved(authority.issuing.subject.commonNames[0] ?? '')).toBe(true);
  });
});
