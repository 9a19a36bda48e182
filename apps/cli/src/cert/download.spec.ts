import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { enrolmentSecretLength, formatEnrolmentToken } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { certificatesFromPem } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EstServer } from '../fixtures/est-server.fixture.js';
import { runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const secret = 'A'.repeat(enrolmentSecretLength);
const downloaded = 'Certificate downloaded successfully\n    => the device can now be connected\n\n';

/** A child device, a signer, and a token for the one at the other. */
async function childAndSigner() {
  const directory = temporaryDirectory('sallyport-download-');
  const server = await EstServer.start();
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    await directory.remove();
  });
  const cwd = directory.path;
  const certs = join(cwd, 'child', 'device-certs');
  return {
    server,
    cwd,
    certs,
    token: tokenOf(server),
    run: (words: readonly string[], world: Partial<World> = {}) =>
      runSallyport(['cert', ...words, '--config-dir', './child'], { cwd, ...world }),
    download: (words: readonly string[], world: Partial<World> = {}) =>
      runSallyport(['cert', 'download', '--config-dir', './child', '--url', server.url, ...words], { cwd, ...world }),
  };
}

/** A child device whose certificate comes from a cloud, which has a CA of its own. */
async function childOfCloud() {
  const child = await childAndSigner();
  await writeFile(join(child.cwd, 'ca.pem'), child.server.authority.rootPem);
  const words = ['--device-id', 'child01', '--ca', 'ca.pem', '--retry-every', '1ms'];
  return {
    ...child,
    download: (more: readonly string[], world: Partial<World> = {}) =>
      child.download(['c8y', ...words, ...more], world),
  };
}

function tokenOf({ authority }: EstServer): string {
  return formatEnrolmentToken({ secret, caFingerprint: authority.root.fingerprint });
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('cert download', () => {
  it('makes the key here and leaves certificate, key (0400) and CA in the configuration directory', async () => {
    const { download, certs, token, server } = await childAndSigner();

    const { exitCode, stdout, stderr } = await download(['--device-id', 'child01', '--one-time-password', token]);

    const chain = certificatesFromPem(await readFile(join(certs, 'tedge-certificate.pem'), 'utf8'));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: downloaded });
    expect(stdout).toContain('CN=child01');
    expect((await readdir(certs)).sort()).toEqual(['ca.pem', 'tedge-certificate.pem', 'tedge-private-key.pem']);
    expect(chain.map(({ subject }) => subject.commonNames[0])).toEqual(['child01', 'Test issuing']);
    expect(await readFile(join(certs, 'ca.pem'), 'utf8')).toBe(server.authority.rootPem);
    expect(await modeOf(join(certs, 'tedge-private-key.pem'))).toBe(0o400);
  });

  it('remembers where renewals go', async () => {
    const { download, run, cwd, token, server } = await childAndSigner();
    await download(['--device-id', 'child01', '-p', token]);

    expect((await run(['renew'])).exitCode).toBe(0);
    const { stdout } = await runSallyport(['config', 'get', 'pki.url', '--config-dir', './child'], { cwd });
    expect(stdout).toBe(`${server.url}\n`);
  });

  it('asks for the names and addresses given', async () => {
    const { download, certs, token } = await childAndSigner();
    const hosts = ['--host', 'broker.example', '--host', '192.0.2.7'];

    await download(['--device-id', 'broker', '--one-time-password', token, ...hosts]);

    const [leaf] = certificatesFromPem(await readFile(join(certs, 'tedge-certificate.pem'), 'utf8'));
    expect(leaf?.subjectAltNames.filter(({ type }) => type !== 'uri')).toEqual([
      { type: 'dns', value: 'broker.example' },
      { type: 'ip', value: '192.0.2.7' },
    ]);
  });

  it.each([
    ['a file', ['--one-time-password-file', 'token'], {}],
    ['standard input', ['--one-time-password-file', '-'], { stdin: true }],
    ['the environment', [], { env: true }],
    ['the short option', ['-p', 'TOKEN'], {}],
  ])('takes the token from %s', async (_, words, from) => {
    const { download, cwd, token, server } = await childAndSigner();
    await writeFile(join(cwd, 'token'), `${token}\n`);

    const { exitCode } = await download(
      ['--device-id', 'child01', ...words.map((word) => word.replace('TOKEN', token))],
      {
        ...('stdin' in from ? { stdin: `${token}\n` } : {}),
        ...('env' in from ? { env: { DEVICE_ONE_TIME_PASSWORD: token } } : {}),
      },
    );

    expect(exitCode).toBe(0);
    expect(server.passwords).toEqual([`child01:${secret}`]);
  });

  it.each([
    ['HOST:PORT', (url: string) => url.replace('https://', '')],
    ['https://HOST:PORT/', (url: string) => `${url}/`],
  ])('takes the address as %s', async (_, spelling) => {
    const { run, server, token } = await childAndSigner();

    const words = ['download', '--url', spelling(server.url), '--device-id', 'child01', '-p', token];

    expect((await run(words)).exitCode).toBe(0);
  });

  it('takes device id and address from the settings', async () => {
    const { run, server, token } = await childAndSigner();

    const { exitCode, stdout } = await run(['download', '-p', token], {
      env: { TEDGE_DEVICE_ID: 'from-settings', TEDGE_PKI_URL: server.url },
    });

    expect(exitCode).toBe(0);
    expect(stdout).toContain('CN=from-settings');
  });

  it('trusts a CA file when the password has no fingerprint', async () => {
    const { download, cwd, server } = await childAndSigner();
    await writeFile(join(cwd, 'site-ca.pem'), server.authority.rootPem);

    const { exitCode } = await download(['--device-id', 'child01', '-p', secret, '--ca', 'site-ca.pem']);

    expect(exitCode).toBe(0);
  });

  it('sends a bare password to nobody whom this system does not trust', async () => {
    const { download, server } = await childAndSigner();

    const { exitCode, stderr } = await download(['--device-id', 'child01', '-p', secret]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('not trusted here');
    expect(server.passwords).toEqual([]);
  });

  it('sends the token of another site to nobody', async () => {
    const { download, server } = await childAndSigner();
    const caFingerprint = new TestAuthority('Other').root.fingerprint;

    const { exitCode, stderr } = await download([
      '--device-id',
      'child01',
      '-p',
      formatEnrolmentToken({ secret, caFingerprint }),
    ]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('nothing secret was sent');
    expect(server.passwords).toEqual([]);
  });

  it('never prints the token', async () => {
    const { download, token } = await childAndSigner();

    const broken = await download(['--device-id', 'child01', '-p', token.slice(0, -3)]);

    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toContain('The one-time token is not complete');
    expect(broken.stderr + broken.stdout).not.toContain(secret);
  });

  it.each([
    ['of the site', []],
    ['of a cloud', ['c8y']],
  ])('takes an empty password %s for a mistake, as of a shell that does not know a variable', async (_, cloud) => {
    const { download, server } = await childAndSigner();

    const { exitCode, stderr } = await download([...cloud, '--device-id', 'child01', '-p', ' ', '--max-timeout', '0s']);

    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'Error: The one-time password is empty.\nCheck what --one-time-password was given.\n',
    });
    expect(server.passwords).toEqual([]);
  });

  it('says how to get a token when there is none', async () => {
    const { download } = await childAndSigner();

    const { exitCode, stderr } = await download(['--device-id', 'child01']);

    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'Error: No one-time token is given.\nMake one on the gateway (sallyport device enroll-token child01) and pass it: --one-time-password TOKEN\n',
    );
  });

  it('asks again until the signer has decided', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 202, headers: { 'retry-after': '0' } }, { status: 503 });

    const { exitCode, stderr } = await download(['--device-id', 'child01', '-p', token, '--retry-every', '1ms']);

    expect(exitCode).toBe(0);
    expect(stderr.replace(downloaded, '').split('\n')).toHaveLength(3);
    expect(stderr).toContain('Trying again in 0.001 s.');
  });

  it('asks again where too many ask at once', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 429, headers: { 'retry-after': '0' } });

    expect((await download(['--device-id', 'child01', '-p', token, '--retry-every', '1ms'])).exitCode).toBe(0);
    expect(server.passwords).toHaveLength(2);
  });

  it('leaves the address of renewals alone that somebody set', async () => {
    const { download, run, cwd, token } = await childAndSigner();
    await runSallyport(['config', 'set', 'pki.url', 'https://gateway.example:8443', '--config-dir', './child'], {
      cwd,
    });

    expect((await download(['--device-id', 'child01', '-p', token])).exitCode).toBe(0);
    expect((await run(['show'])).exitCode).toBe(0);
    const { stdout } = await runSallyport(['config', 'get', 'pki.url', '--config-dir', './child'], { cwd });
    expect(stdout).toBe('https://gateway.example:8443\n');
  });

  it.each([
    ['a site', [], 'https://host.invalid:8443 '],
    ['a cloud', ['c8y'], 'https://host.invalid '],
  ])('asks %s at its usual port', async (_, cloud, address) => {
    const { run, token } = await childAndSigner();
    const words = ['download', ...cloud, '--url', 'host.invalid', '--device-id', 'a', '-p', token];

    const { stderr } = await run([...words, '--max-timeout', '0s', '--no-registration-url']);

    expect(stderr.replaceAll(/[:.] /g, ' ')).toContain(address);
  });

  it('takes no line for a token that is too long for one', async () => {
    const { download, cwd } = await childAndSigner();
    await writeFile(join(cwd, 'token'), 'x'.repeat(2_000));

    const { exitCode, stderr } = await download(['--device-id', 'a', '--one-time-password-file', 'token']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The first line of token holds no one-time password.');
  });

  it('gives up after the time it was given', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 503 });

    const { exitCode, stderr } = await download(['--device-id', 'child01', '-p', token, '--max-timeout', '0s']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not ready');
  });

  it('does not repeat a refused token, because each try counts against it', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 401 });

    const { exitCode, stderr } = await download(['--device-id', 'child01', '-p', token, '--retry-every', '1ms']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('refused the one-time token');
    expect(server.passwords).toHaveLength(1);
  });

  it('does not ask a server again at once that asks for a pause longer than timers last', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 503, headers: { 'retry-after': '3000000' } });
    const abort = new AbortController();

    const running = download(['--device-id', 'child01', '-p', token], { signal: abort.signal });
    while (server.passwords.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // Long enough for a timer that overflowed, which fires after a millisecond.
    const second = once(server.answered, 'answer', { signal: AbortSignal.timeout(300) });
    await expect(second).rejects.toThrow();
    abort.abort();

    expect(await running).toMatchObject({ exitCode: 130 });
  });

  it.each([
    'https://',
    'https://[::1',
    'https://user:secret@host',
    'user:secret@host',
    'https://host/path?x',
    'ftp://host',
    'host/path',
    '',
  ])('refuses the address %j, and says how to write one', async (url) => {
    const { run, token } = await childAndSigner();

    const { exitCode, stderr } = await run(['download', '--url', url, '--device-id', 'child01', '-p', token]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('is no address of a certificate service.\nWrite https://HOST:PORT, HOST:PORT or HOST.');
    expect(stderr).not.toContain('secret');
  });

  it('stops waiting at Ctrl-C', async () => {
    const { download, token, server } = await childAndSigner();
    server.refusals.push({ status: 503, headers: { 'retry-after': '600' } });
    const abort = new AbortController();

    const running = download(['--device-id', 'child01', '-p', token], { signal: abort.signal });
    while (server.passwords.length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();

    expect(await running).toMatchObject({ exitCode: 130 });
  });

  it('stops waiting for the token at Ctrl-C', async () => {
    const { download } = await childAndSigner();
    const abort = new AbortController();
    async function* silence(): AsyncGenerator<string> {
      abort.abort();
      await new Promise(() => undefined);
    }

    const words = ['--device-id', 'child01', '--one-time-password-file', '-'];

    expect(await download(words, { stdin: silence(), signal: abort.signal })).toMatchObject({ exitCode: 130 });
  });

  it('for a cloud makes up a password, shows where to register it, and asks until it is registered', async () => {
    const { server, download } = await childOfCloud();
    server.refusals.push({ status: 401 });

    const { exitCode, stderr } = await download([]);

    const [, made = ''] = /One-time password: ([A-Za-z0-9]{32})\n/.exec(stderr) ?? [];
    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      `${server.url}/apps/devicemanagement/index.html#/deviceregistration?externalId=child01&one-time-password=${made}\n`,
    );
    expect(server.passwords).toEqual([`child01:${made}`, `child01:${made}`]);
  });

  it('for a cloud takes a password with a dot for no token that says whom to trust', async () => {
    const { run, server } = await childAndSigner();
    const words = ['download', 'c8y', '--device-id', 'child01', '--url', server.url, '--max-timeout', '0s'];

    const { exitCode, stderr } = await run([...words, '-p', tokenOf(server)]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('not trusted here');
    expect(server.passwords).toEqual([]);
  });

  it('for a cloud leaves a password the user chose out of the link', async () => {
    const { server, download } = await childOfCloud();

    const { exitCode, stderr } = await download(['-p', 'chosen']);

    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: `Register the device here: ${server.url}/apps/devicemanagement/index.html#/deviceregistration?externalId=child01&one-time-password=\n${downloaded}`,
    });
    expect(server.passwords).toEqual(['child01:chosen']);
  });

  it.each([
    ['--no-registration-url', ['--no-registration-url'], {}],
    ['--no-registration-url=true', ['--no-registration-url=true'], {}],
    ['DEVICE_NO_REGISTRATION_URL=true', [], { DEVICE_NO_REGISTRATION_URL: 'true' }],
    ['DEVICE_NO_REGISTRATION_URL=1', [], { DEVICE_NO_REGISTRATION_URL: '1' }],
  ])('for a cloud prints the password it made up, but no link, with %s', async (_, words, env) => {
    const { server, download } = await childOfCloud();

    const { exitCode, stderr } = await download(words, { env });

    expect(exitCode).toBe(0);
    expect(stderr).toBe(`One-time password: ${server.passwords[0]?.slice('child01:'.length)}\n${downloaded}`);
    expect(server.passwords).toEqual([expect.stringMatching(/^child01:[A-Za-z0-9]{32}$/)]);
  });

  it.each(['', '0', 'False', 'off', 'no'])('prints the link when DEVICE_NO_REGISTRATION_URL is "%s"', async (no) => {
    const { download } = await childOfCloud();

    const { stderr } = await download([], { env: { DEVICE_NO_REGISTRATION_URL: no } });

    expect(stderr).toContain('Register the device here: https://');
  });
});

describe('cert download --no-registration-url=false', () => {
  it('prints the link although the environment says no', async () => {
    const { download } = await childOfCloud();
    const env = { DEVICE_NO_REGISTRATION_URL: 'true' };

    const { stderr } = await download(['--no-registration-url=false'], { env });

    expect(stderr).toContain('Register the device here: https://');
  });
});

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

describe('cert renew', () => {
  async function enrolledChild() {
    const child = await childAndSigner();
    await child.download(['--device-id', 'child01', '-p', child.token]);
    const read = (name: string) => readFile(join(child.certs, name), 'utf8');
    return {
      ...child,
      read,
      certificate: await read('tedge-certificate.pem'),
      key: await read('tedge-private-key.pem'),
    };
  }

  it('puts the next certificate in force at once, with the same key', async () => {
    const { run, server, read, certificate, key } = await enrolledChild();

    const { exitCode } = await run(['renew', '--url', server.url]);

    expect(exitCode).toBe(0);
    expect(await read('tedge-certificate.pem')).not.toBe(certificate);
    expect(await read('tedge-private-key.pem')).toBe(key);
  });

  it('makes a new key too when asked', async () => {
    const { run, server, read, key } = await enrolledChild();

    expect((await run(['renew', '--new-key', '--url', server.url])).exitCode).toBe(0);
    expect(await read('tedge-private-key.pem')).not.toBe(key);
  });

  it('sends the signing request of a file, if it is for the present key', async () => {
    const { run, server, cwd } = await enrolledChild();
    await run(['create-csr', '--output-path', 'mine.csr']);
    await mkdir(join(cwd, 'other'));
    await runSallyport(['cert', 'create-csr', '--device-id', 'child01', '--config-dir', 'other'], { cwd });

    const mine = await run(['renew', '--csr-path', 'mine.csr', '--url', server.url]);
    const others = await run(['renew', '--csr-path', 'other/device-certs/tedge.csr', '--url', server.url]);

    expect(mine.exitCode).toBe(0);
    expect(others).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is for another key') });
  });

  it('for a cloud leaves the next certificate waiting beside the present one', async () => {
    const { run, server, read, certificate } = await enrolledChild();

    const { exitCode, stdout } = await run(['renew', 'c8y', '--url', server.url]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('tedge-certificate.pem.new');
    expect(await read('tedge-certificate.pem')).toBe(certificate);
    expect((await run(['show', '--new'])).exitCode).toBe(0);
  });

  it('by the CA of the cloud is refused while no setting says where the proxy is', async () => {
    const { run, read, certificate } = await enrolledChild();

    const { exitCode, stderr } = await run(['renew', '--ca', 'c8y']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('needs the Cumulocity proxy');
    expect(await read('tedge-certificate.pem')).toBe(certificate);
  });

  /** Certificate, key and settings as a device has them that "tedge cert download" enrolled: no CA file. */
  async function childOfThinEdge(settings = '') {
    const child = await enrolledChild();
    await rm(join(child.certs, 'ca.pem'));
    const { port } = new URL(child.server.url);
    const [cert, key] = [join(child.certs, 'tedge-certificate.pem'), join(child.certs, 'tedge-private-key.pem')];
    const proxy = `[c8y]\nurl = "cloud.example"\nproxy.client.host = "localhost"\nproxy.client.port = ${port}\n`;
    const client = `[http.client.auth]\ncert_file = "${cert}"\nkey_file = "${key}"\n`;
    // Where the enrolment has written which service it used.
    await rm(join(child.cwd, 'child', 'sallyport.toml'));
    await writeFile(join(child.cwd, 'child', 'tedge.toml'), proxy + client + settings);
    child.server.paths.length = 0;
    return child;
  }

  it.each([['c8y'], ['c8y', '--ca', 'c8y'], ['--ca', 'c8y']])(
    'in a directory of thin-edge.io names the CA file that is missing, and goes where thin-edge.io goes: %j',
    async (...words) => {
      const { run, server, certs } = await childOfThinEdge();

      const refused = await run(['renew', ...words]);
      await writeFile(join(certs, 'ca.pem'), server.authority.rootPem);
      const renewed = await run(['renew', ...words]);

      expect(refused).toEqual({
        exitCode: 1,
        stdout: '',
        stderr:
          `Error: ${join(certs, 'ca.pem')} is missing, so ${server.url} could not be told from an impostor; nothing was sent.\n` +
          'Put the CA certificate of that service there; on its machine "sallyport ca export" prints it.\n',
      });
      expect(renewed.exitCode).toBe(0);
      expect(renewed.stdout).toContain(words[0] === 'c8y' ? 'tedge-certificate.pem.new\n' : 'tedge-certificate.pem\n');
      expect(server.paths).toEqual(['/c8y/.well-known/est/cacerts', '/c8y/.well-known/est/simplereenroll']);
    },
  );

  it('in a directory of thin-edge.io goes where pki.url says, once that is set', async () => {
    const { run, server, certs } = await childOfThinEdge('[pki]\nurl = "https://other.invalid"\n');
    await writeFile(join(certs, 'ca.pem'), server.authority.rootPem);

    expect((await run(['renew', 'c8y'])).stderr).toContain('https://other.invalid');
    expect((await run(['renew', 'c8y', '--ca', 'c8y'])).exitCode).toBe(0);
  });

  it('keeps the CAs it knows when the service publishes none', async () => {
    const { run, server, read } = await enrolledChild();
    server.publishes = false;

    expect((await run(['renew'])).exitCode).toBe(0);
    expect(await read('ca.pem')).toBe(server.authority.rootPem);
  });

  it.each([
    ['tedge-certificate.pem', 'There is no certificate to renew at '],
    ['tedge-private-key.pem', 'The private key of the certificate is missing: there is no file '],
  ])('names %s when it is missing, and sends nothing', async (name, words) => {
    const { run, server, certs } = await enrolledChild();
    await rm(join(certs, name));
    server.paths.length = 0;

    const { exitCode, stderr } = await run(['renew']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${words}${join(certs, name)}`);
    expect(stderr).toContain('sallyport --config-dir ./child cert download');
    expect(server.paths).toEqual([]);
  });

  it.each([
    ['with a new key for a cloud, which tries the certificate out first', ['c8y', '--new-key'], 'keeps its key'],
  ])('is refused %s', async (_, words, reason) => {
    const { run, server, read, certificate, key } = await enrolledChild();

    const { exitCode, stderr } = await run(['renew', '--url', server.url, ...words]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(reason);
    expect([await read('tedge-certificate.pem'), await read('tedge-private-key.pem')]).toEqual([certificate, key]);
  });

  it('leaves the present certificate in force when the signer says no', async () => {
    const { run, server, read, certificate } = await enrolledChild();
    server.refusals.push({ status: 403 });

    expect((await run(['renew', '--url', server.url])).exitCode).toBe(1);
    expect(await read('tedge-certificate.pem')).toBe(certificate);
  });

  it('renews a self-signed certificate by itself, as .new and with the same key', async () => {
    const { run, certs } = await childAndSigner();
    await run(['create', '--device-id', 'gw']);
    const read = (name: string) => readFile(join(certs, name), 'utf8');
    const [before] = certificatesFromPem(await read('tedge-certificate.pem'));

    const { exitCode } = await run(['renew', '--ca', 'self-signed']);

    const [next] = certificatesFromPem(await read('tedge-certificate.pem.new'));
    expect(exitCode).toBe(0);
    expect(next?.spki).toEqual(before?.spki);
    expect(next?.subject.text).toBe(before?.subject.text);
    expect(next?.fingerprint).not.toBe(before?.fingerprint);
  });

  it('refuses to make a certificate of a CA self-signed', async () => {
    const { run } = await enrolledChild();

    const { exitCode, stderr } = await run(['renew', '--ca', 'self-signed']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not self-signed');
  });

  it('says what is missing when there is nothing to renew', async () => {
    const { run, server } = await childAndSigner();

    const { exitCode, stderr } = await run(['renew', '--url', server.url]);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('There is no certificate to renew');
  });
});
