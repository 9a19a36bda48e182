import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, temporaryDirectory } from '@sallyport/testkit';
import { derFromPem, parseCertificateRequest } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

/** A device with a configuration directory of its own. */
async function device() {
  const directory = temporaryDirectory('sallyport-cert-');
  onTestFinished(() => directory.remove());
  const certs = join(directory.path, 'config', 'device-certs');
  const run = (words: readonly string[], world: Partial<World> = {}) =>
    runSallyport([...words, '--config-dir', 'config'], { cwd: directory.path, ...world });
  return {
    run,
    cwd: directory.path,
    certs,
    cert: join(certs, 'tedge-certificate.pem'),
    key: join(certs, 'tedge-private-key.pem'),
    csr: join(certs, 'tedge.csr'),
    read: (name: string) => readFile(join(certs, name), 'utf8'),
  };
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const day = 86_400_000;

describe('cert create', () => {
  it('makes a P-256 key nobody else can read and a self-signed CA certificate with the configured names', async () => {
    const { run, cert, key } = await device();

    const { exitCode, stdout } = await run(['cert', 'create', '--device-id', 'gateway-7']);

    const certificate = new X509Certificate(await readFile(cert));
    expect(exitCode).toBe(0);
    expect(certificate.subject.split('\n').sort()).toEqual(['CN=gateway-7', 'O=Thin Edge', 'OU=Device']);
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.ca).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect([await modeOf(cert), await modeOf(key)]).toEqual([0o444, 0o400]);
    expect(stdout).toMatch(/^Certificate: +.*tedge-certificate\.pem\nSubject: +.*CN=gateway-7/);
  });

  it('counts the requested life from now, so that less than a day is possible', async () => {
    const { run, cert } = await device();
    const now = new Date('2026-05-01T12:00:00Z');

    await run(['cert', 'create', '--device-id', 'gw'], {
      now: () => now,
      env: { TEDGE_CERTIFICATE_VALIDITY_REQUESTED_DURATION: '2h' },
    });

    const { validFromDate, validToDate } = new X509Certificate(await readFile(cert));
    expect(validFromDate).toEqual(new Date('2026-04-30T12:00:00Z'));
    expect(validToDate).toEqual(new Date('2026-05-01T14:00:00Z'));
  });

  it('takes the id from the settings', async () => {
    const { run, cert } = await device();

    await run(['cert', 'create'], { env: { TEDGE_DEVICE_ID: 'from-settings' } });

    expect(new X509Certificate(await readFile(cert)).subject).toContain('CN=from-settings');
  });

  it('says how to give an id when there is none', async () => {
    const { run } = await device();

    expect(await run(['cert', 'create'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error: No device id is known.\nPass it (--device-id ID) or set it (sallyport --config-dir config config set device.id ID).\n',
    });
  });

  it.each([
    ['a space', 'gate way'],
    ['a slash', 'a/b'],
    ['nothing', ''],
    ['65 characters', 'x'.repeat(65)],
  ])('is called wrongly with an id of %s', async (_, id) => {
    const { run, cwd } = await device();

    expect((await run(['cert', 'create', '--device-id', id])).exitCode).toBe(2);
    expect(await readdir(cwd)).toEqual([]);
  });

  it.each(['certificate', 'private-key'])('changes nothing when there is a %s already', async (present) => {
    const { run, certs, read } = await device();
    await mkdir(certs, { recursive: true });
    await writeFile(join(certs, `tedge-${present}.pem`), 'precious');

    const { exitCode, stderr } = await run(['cert', 'create', '--device-id', 'gw']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('sallyport --config-dir config cert remove\n');
    expect(await readdir(certs)).toEqual([`tedge-${present}.pem`]);
    expect(await read(`tedge-${present}.pem`)).toBe('precious');
  });

  it('names a folder that is missing and was not ours to make', async () => {
    const { run, cwd } = await device();

    const { exitCode, stderr } = await run(['cert', 'create', '--device-id', 'gw'], {
      env: { TEDGE_DEVICE_CERT_PATH: join(cwd, 'elsewhere', 'cert.pem') },
    });

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`The folder ${join(cwd, 'elsewhere')} does not exist.`);
  });
});

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
    expect(stderr).toContain('Certificate renewed successfully\n    => "tedge reconnect c8y" of thin-edge.io');
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

describe('DEVICE_ID', () => {
  const env = { DEVICE_ID: 'from-environment', TEDGE_DEVICE_ID: 'from-settings' };

  it.each(['create', 'create-csr'])('names the device for cert %s, before the settings do', async (name) => {
    const { run } = await device();

    const { stdout, stderr } = await run(['cert', name], { env });

    expect(stdout + stderr).toContain('from-environment');
  });

  it('counts for nothing beside --device-id, or when it is empty', async () => {
    const one = await device();
    const other = await device();

    expect((await one.run(['cert', 'create', '--device-id', 'given'], { env })).stdout).toContain('CN=given');
    expect((await other.run(['cert', 'create'], { env: { ...env, DEVICE_ID: '' } })).stdout).toContain(
      'CN=from-settings',
    );
  });

  it('is named when it cannot be a device id', async () => {
    const { run, cwd } = await device();

    const { exitCode, stderr } = await run(['cert', 'create'], { env: { DEVICE_ID: 'a b' } });

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^Error: DEVICE_ID is "a b", which .*\nGive the variable another value, or pass --device-id ID\.\n$/,
    );
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe('cert create-csr', () => {
  it('makes a key and a request that OpenSSL verifies', async () => {
    const { run, csr, key } = await device();

    const { exitCode } = await run(['cert', 'create-csr', '--device-id', 'gw']);

    expect(exitCode).toBe(0);
    expect(await mustRun('openssl', ['req', '-in', csr, '-noout', '-verify', '-subject'])).toMatch(/CN ?= ?gw/);
    expect([await modeOf(csr), await modeOf(key)]).toEqual([0o444, 0o400]);
  });

  it('keeps the key and the name of the certificate that is there', async () => {
    const { run, csr, key } = await device();
    await run(['cert', 'create', '--device-id', 'from-certificate']);
    const before = await readFile(key, 'utf8');

    await run(['cert', 'create-csr']);

    const [der = Buffer.alloc(0)] = derFromPem(await readFile(csr, 'utf8'), 'CERTIFICATE REQUEST');
    expect(parseCertificateRequest(der).subject.commonNames).toEqual(['from-certificate']);
    expect(await readFile(key, 'utf8')).toBe(before);
  });

  it('signs with an RSA key as it does with any other', async () => {
    const { run, certs, csr, key } = await device();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await mkdir(certs, { recursive: true });
    await writeFile(key, privateKey.export({ format: 'pem', type: 'pkcs1' }));

    await run(['cert', 'create-csr', '--device-id', 'gw']);

    expect(await mustRun('openssl', ['req', '-in', csr, '-noout', '-text', '-verify'])).toContain(
      'sha256WithRSAEncryption',
    );
  });

  it('overwrites an earlier request, at a path relative to the working directory', async () => {
    const { run, cwd } = await device();
    await writeFile(join(cwd, 'my.csr'), 'old');

    await run(['cert', 'create-csr', '--device-id', 'gw', '--output-path', 'my.csr']);

    expect(await readFile(join(cwd, 'my.csr'), 'utf8')).toContain('BEGIN CERTIFICATE REQUEST');
  });
});

/** A device with a certificate of 90 days. */
async function deviceWithCertificate() {
  const made = await device();
  const authority = new TestAuthority();
  const notBefore = new Date('2026-01-01T00:00:00Z');
  const identity = authority.issue({ commonName: 'child01', notBefore, notAfter: new Date('2026-04-01T00:00:00Z') });
  await mkdir(made.certs, { recursive: true });
  await writeFile(made.cert, identity.certPem);
  await writeFile(made.key, identity.keyPem, { mode: 0o600 });
  return { ...made, identity };
}

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

describe('cert needs-renewal', () => {
  it.each([
    ['2025-12-31T00:00:00Z', 'NOT VALID YET (will be in: 1d)', 1],
    ['2026-02-01T00:00:00Z', 'VALID (expires in: 59d)', 1],
    ['2026-03-02T00:00:00Z', 'EXPIRES SOON (expires in: 30d)', 0],
    ['2026-05-01T00:00:00Z', 'EXPIRED (since: 30d)', 0],
  ])('at %s says %s on standard error, and exits with the code scripts expect', async (now, status, exitCode) => {
    const { run } = await deviceWithCertificate();

    expect(await run(['cert', 'needs-renewal', 'c8y'], { now: () => new Date(now) })).toEqual({
      exitCode,
      stdout: '',
      stderr: `Status:        ${status}\n`,
    });
  });

  it('tells a program in JSON', async () => {
    const { run, cert } = await deviceWithCertificate();

    const ran = await run(['cert', 'needs-renewal', '--json'], { now: () => new Date('2026-03-02T00:00:00Z') });

    expect({ ...ran, stdout: JSON.parse(ran.stdout) }).toEqual({
      exitCode: 0,
      stdout: {
        certificate: cert,
        needsRenewal: true,
        status: 'expires-soon',
        statusSeconds: 2_592_000,
        validUntil: '2026-04-01T00:00:00.000Z',
      },
      stderr: '',
    });
  });

  it('keeps to the minimum the settings say', async () => {
    const { run } = await deviceWithCertificate();
    const at = (now: string) => ({
      now: () => new Date(now),
      env: { TEDGE_CERTIFICATE_VALIDITY_MINIMUM_DURATION: '60d' },
    });

    expect((await run(['cert', 'needs-renewal'], at('2026-01-30T00:00:00Z'))).exitCode).toBe(1);
    expect((await run(['cert', 'needs-renewal'], at('2026-01-31T00:00:00Z'))).exitCode).toBe(0);
  });

  it('lets a certificate of 9 days live for 6 of them', async () => {
    const { run, cert } = await deviceWithCertificate();
    const notBefore = new Date('2026-01-01T00:00:00Z');
    const { certPem } = new TestAuthority().issue({
      commonName: 'child01',
      notBefore,
      notAfter: new Date(notBefore.getTime() + 9 * day),
    });
    await writeFile(cert, certPem);

    expect((await run(['cert', 'needs-renewal'], { now: () => new Date('2026-01-06T23:00:00Z') })).exitCode).toBe(1);
    expect((await run(['cert', 'needs-renewal'], { now: () => new Date('2026-01-07T00:00:00Z') })).exitCode).toBe(0);
  });

  it('exits with 2 when it cannot tell', async () => {
    const { run } = await device();

    const { exitCode, stderr } = await run(['cert', 'needs-renewal']);

    expect(exitCode).toBe(2);
    expect(stderr).toContain('There is no certificate');
  });
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

describe('cert needs-renewal --json', () => {
  it('tells a program in JSON why it cannot tell', async () => {
    const { run } = await device();

    const { exitCode, stdout, stderr } = await run(['cert', 'needs-renewal', '--json']);

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { type: 'failed', what: expect.stringContaining('no certificate') },
    });
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
    expect(await files()).toEqual(['plant2.csr', 'plant2.key', 'plant2.pem', 'plant2.pem.new']);
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

function derOf(pem: string): Buffer {
  const [der = Buffer.alloc(0)] = derFromPem(pem, 'CERTIFICATE REQUEST');
  return der;
}
