import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatEnrolmentToken } from '@sallyport/protocol';
import { certificatesFromPem } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { childrenAndSignersFor, secret, tokenOf } from '../fixtures/child-and-signer.fixture.js';
import { runSallyport, type World } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const childAndSigner = childrenAndSignersFor(onTestFinished);

const downloaded = 'Certificate downloaded successfully\n    => the device can now be connected\n\n';

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
    ['the start of the services prints it', (url) => `${url}/.well-known/est/`],
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
    expect(stderr).toContain('The one-time token is wrong or not complete: it names no CA');
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
