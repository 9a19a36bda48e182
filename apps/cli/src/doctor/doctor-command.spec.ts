import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { freePort, TestCa } from '@sallyport/testkit';
import { certificateProfiles } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { type MutualSite, mutualSite } from '../fixtures/mutual-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const day = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * day);
const ahead = (days: number) => new Date(Date.now() + days * day);

interface Breakage {
  readonly what: string;
  readonly breakIt: (site: MutualSite) => Promise<unknown>;
  /** The check that finds it, and what it says. */
  readonly finds: readonly [id: string, what: string | RegExp];
}

const set = (site: MutualSite, key: string, value: string) => site.run(['config', 'set', key, value]);
const unset = (site: MutualSite, key: string) => site.run(['config', 'unset', key]);
const otherKey = () => new TestAuthority('Other').issue({ commonName: 'other' }).keyPem;

const breakages: readonly Breakage[] = [
  {
    what: 'certificate and key of a listener are exchanged',
    breakIt: async (site) => {
      await set(site, 'http.cert_path', site.agent.key);
      await set(site, 'http.key_path', site.agent.cert);
    },
    finds: [
      'listener-files',
      /The files are exchanged: http\.cert_path .* holds a private key, http\.key_path .* holds a certificate/,
    ],
  },
  {
    what: 'certificate, key and CA of a listener are permuted',
    breakIt: async (site) => {
      await set(site, 'http.cert_path', site.agent.ca);
      await set(site, 'http.key_path', site.agent.cert);
      await set(site, 'http.ca_path', site.agent.key);
    },
    finds: [
      'listener-files',
      /http\.cert_path .* holds a CA certificate, http\.key_path .* holds a certificate, http\.ca_path .* a private key/,
    ],
  },
  {
    what: 'half a pair is set',
    breakIt: (site) => unset(site, 'http.key_path'),
    finds: ['listener-files', 'http.cert_path is set but http.key_path is not'],
  },
  {
    what: 'the certificate file is gone',
    breakIt: ({ agent }) => rm(agent.cert),
    finds: ['listener-files', /http\.cert_path: .*certificate\.pem cannot be read \(ENOENT\)/],
  },
  {
    what: 'the key belongs to another certificate',
    breakIt: ({ agent }) => writeFile(agent.key, otherKey()),
    finds: ['listener-files', 'is not the key of the certificate'],
  },
  {
    what: 'the key file holds garbage',
    breakIt: ({ agent }) => writeFile(agent.key, 'garbage'),
    finds: ['listener-files', 'holds no PEM block, not a private key'],
  },
  {
    what: 'the CA file holds garbage',
    breakIt: ({ agent }) => writeFile(agent.ca, 'garbage'),
    finds: ['listener-files', 'http.ca_path'],
  },
  {
    what: 'a CA directory holds an entry that is no CA',
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await symlink(site.agent.ca, join(folder, 'site.pem'));
      await writeFile(join(folder, 'no ca.txt'), 'hello');
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', /cas\/no ca\.txt: ignored, holds no PEM certificate/],
  },
  {
    what: 'a CA directory holds a private key',
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await symlink(site.agent.ca, join(folder, 'site.pem'));
      await writeFile(join(folder, 'key.pem'), otherKey());
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', 'holds a private key, which does not belong among trusted CAs'],
  },
  {
    what: 'a CA directory leaves this site out',
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await writeFile(join(folder, 'other.pem'), new TestAuthority('Other').rootPem);
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', 'does not hold the CA of this site'],
  },
  {
    what: 'the certificate file lacks the intermediate',
    breakIt: async ({ agent }) => {
      const [leaf] = (await readFile(agent.cert, 'utf8')).split(/(?<=-----END CERTIFICATE-----\n)/);
      await writeFile(agent.cert, leaf ?? '');
    },
    finds: ['server-chain', 'lacks the intermediate certificate of CN=Test issuing,O=Test'],
  },
  {
    what: 'clients use a name the certificates do not hold',
    breakIt: (site) => set(site, 'pki.hostnames', 'gateway.example'),
    finds: ['server-names', 'is not for gateway.example'],
  },
  {
    what: 'the certificate of a listener is for clients only',
    breakIt: ({ replaceAgent }) => replaceAgent({ kind: 'device' }),
    finds: ['server-purpose', 'its extended key usage is clientAuth and lacks serverAuth'],
  },
  {
    what: 'the certificate of a listener has expired',
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ago(40), notAfter: ago(10) }),
    finds: ['server-dates', /expired \d{4}-/],
  },
  {
    what: 'the certificate of a listener is not valid yet',
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ahead(1), notAfter: ahead(60) }),
    finds: ['server-dates', /is not valid before \d{4}-/],
  },
  {
    what: 'the certificate of a listener is overdue for renewal',
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ago(25), notAfter: ahead(5) }),
    finds: ['server-dates', 'has not been renewed yet'],
  },
  {
    what: 'a key can be read by everybody',
    breakIt: ({ agent }) => chmod(agent.key, 0o644),
    finds: ['permissions', 'can be used by other users of this machine (mode 0644)'],
  },
  {
    what: 'a folder with keys can be changed by everybody',
    breakIt: ({ device }) => chmod(device.folder, 0o777),
    finds: ['permissions', 'can be changed by other users of this machine (mode 0777)'],
  },
  {
    what: 'a secret of the signer can be read by everybody',
    breakIt: async ({ directory }) => {
      await writeFile(join(directory, 'pki', 'token-pepper'), 'pepper');
      await chmod(join(directory, 'pki', 'token-pepper'), 0o640);
    },
    finds: ['permissions', 'pki/token-pepper can be used by other users'],
  },
  {
    what: 'settings changed and nobody told the service',
    breakIt: async (site) => {
      await unset(site, 'http.ca_path');
    },
    finds: ['listeners', 'The listener for file transfer is at level mutual, and its settings say server.'],
  },
  {
    what: 'the key of the device is not that of its certificate',
    breakIt: ({ device }) => writeFile(device.key, otherKey()),
    finds: ['device-identity', 'is not the key of'],
  },
  {
    what: 'the key of the device is gone',
    breakIt: ({ device }) => rm(device.key),
    finds: ['device-identity', 'nothing: there is no such file'],
  },
  {
    what: 'certificate and key of the device are exchanged',
    breakIt: async (site) => {
      await set(site, 'device.cert_path', site.device.key);
      await set(site, 'device.key_path', site.device.cert);
    },
    finds: ['device-identity', 'Certificate and key are exchanged'],
  },
  {
    what: 'the CA file of the device is that of another site',
    breakIt: ({ device }) => writeFile(device.ca, new TestAuthority('Other').rootPem),
    finds: ['device-identity', 'does not lead to the CA in'],
  },
  {
    what: 'the certificate of the device is overdue for renewal',
    breakIt: ({ replaceDevice }) => replaceDevice({ notBefore: ago(80), notAfter: ahead(10) }),
    finds: ['device-identity', /tedge-certificate\.pem expires /],
  },
  {
    what: 'the certificate of the device has expired',
    breakIt: ({ replaceDevice }) => replaceDevice({ notBefore: ago(100), notAfter: ago(10) }),
    finds: ['device-identity', /tedge-certificate\.pem expired /],
  },
  {
    what: 'the certificate of the device is for servers only',
    breakIt: ({ replaceDevice }) =>
      replaceDevice({ profile: certificateProfiles.server, hosts: [{ type: 'dns', value: 'localhost' }] }),
    finds: ['device-identity', 'its extended key usage lacks clientAuth'],
  },
  {
    what: 'client certificate and key are exchanged',
    breakIt: async (site) => {
      await set(site, 'http.client.auth.cert_file', site.client.key);
      await set(site, 'http.client.auth.key_file', site.client.cert);
    },
    finds: ['client-identities', 'are exchanged'],
  },
  {
    what: 'half a client certificate is set',
    breakIt: (site) => unset(site, 'http.client.auth.key_file'),
    finds: ['client-identities', 'http.client.auth.cert_file is set and http.client.auth.key_file is not'],
  },
  {
    what: 'the client key file holds garbage',
    breakIt: ({ client }) => writeFile(client.key, 'garbage'),
    finds: ['client-identities', 'they do not pair'],
  },
  {
    what: 'the certificate of the operator has expired',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ago(40), notAfter: ago(10) }),
    finds: ['client-identities', /admin-certs\/certificate\.pem \(certificate of the operator\) expired \d{4}-/],
  },
  {
    what: 'the certificate of the operator is not valid yet',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ahead(1), notAfter: ahead(60) }),
    finds: ['client-identities', /\(certificate of the operator\) is not valid before \d{4}-/],
  },
  {
    what: 'the certificate of the operator is overdue for renewal',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ago(25), notAfter: ahead(5) }),
    finds: ['client-identities', /admin-certs\/certificate\.pem \(certificate of the operator\) expires \d{4}-/],
  },
  {
    what: 'the key of the operator holds garbage',
    breakIt: ({ operator }) => writeFile(operator.key, 'garbage'),
    finds: ['client-identities', /key of the operator .* nothing in PEM; they do not pair/],
  },
  {
    what: 'clients look for the file transfer at another port',
    breakIt: (site) => unset(site, 'http.client.port'),
    finds: ['settings', 'but http.client.port is 8000, so clients here miss it'],
  },
];

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

  it.each(breakages)('says that $what, and its command mends it', async ({ breakIt, finds: [id, what] }) => {
    await using site = await mutualSite();
    await breakIt(site);

    const { findings } = await examine(site.run);
    const found = findings.find((finding) => finding.id === id);
    expect(found?.what).toMatch(what);
    await mend(site.run, found?.fix ?? '');

    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
  });
});

describe('doctor, where one thing is wrong', () => {
  it('finds nothing else, though a certificate that everybody may read stands where a key belongs', async () => {
    await using site = await mutualSite();
    await chmod(site.agent.cert, 0o444);
    await set(site, 'http.cert_path', site.agent.key);
    await set(site, 'http.key_path', site.agent.cert);

    const { findings } = await examine(site.run);

    expect(findings.map(({ id }) => id)).toEqual(['listener-files']);
  });
});

describe("doctor, where the operator's own files are wrong", () => {
  it.each([
    ['an encrypted key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n'],
    ['a key nobody can read', 'garbage'],
  ])('gives a command that leaves %s where it is', async (_case, content) => {
    await using site = await mutualSite();
    const path = join(site.directory, 'server.key');
    await writeFile(path, content, { mode: 0o600 });
    await set(site, 'http.key_path', path);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('gives a command that moves a key out of the folder of CAs and keeps it', async () => {
    await using site = await mutualSite();
    const folder = join(site.directory, 'cas');
    const content = otherKey();
    await mkdir(folder);
    await symlink(site.agent.ca, join(folder, 'site.pem'));
    await writeFile(join(folder, 'server.key'), content);
    await set(site, 'http.ca_path', folder);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(await readFile(join(site.directory, 'server.key'), 'utf8')).toBe(content);
  });
});

describe('doctor, where a person has to act', () => {
  it('names the command that gives the operator a new certificate', async () => {
    await using site = await mutualSite();
    await site.replaceOperator({ notBefore: ago(40), notAfter: ago(10) });

    expect((await examine(site.run)).findings).toEqual([
      expect.objectContaining({ severity: 'error', fix: `sallyport --config-dir ${site.directory} secure mutual` }),
    ]);
  });

  it('names a clock that is ten minutes ahead', async () => {
    await using site = await mutualSite();
    const now = () => new Date(Date.now() + 10 * 60_000);

    expect((await examine(site.run, { now })).findings).toEqual([
      {
        id: 'clock',
        severity: 'error',
        what: "The clock of this machine is 10 minutes ahead of the signer's; certificates seem expired.",
        fix: 'timedatectl set-ntp true',
      },
    ]);
  });

  it('names a service that does not run, and how to start it', async () => {
    await using site = await mutualSite();
    await site.admin.agent.close();

    expect((await examine(site.run)).findings).toEqual([
      expect.objectContaining({
        id: 'services',
        what: expect.stringContaining('The service agent does not run'),
        fix: `npm start -- --config-dir ${site.directory}`,
      }),
    ]);
  });

  it('says in one line that nothing runs', async () => {
    await using site = await mutualSite();
    for (const server of Object.values(site.admin)) await server.close();

    expect((await examine(site.run)).findings).toMatchObject([
      { id: 'services', what: `No service runs on ${site.directory}.` },
    ]);
  });

  it('says once why a door stays shut, with the command that puts its settings back', async () => {
    await using site = await mutualSite();
    const shutReason = 'The listener "http" had level mutual.';
    const entrance = { ...site.entrances.http.describe(), isOpen: false, shutReason };
    const faults = { 'entrance http': 'is shut' };
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults }));
    site.admin.agent.routes.set('GET /v1/entrance', () => ({ entrances: [entrance] }));
    const { findings } = await examine(site.run);
    expect(findings).toEqual([
      {
        id: 'listeners',
        severity: 'error',
        what: shutReason,
        fix: `sallyport --config-dir ${site.directory} secure mutual`,
      },
    ]);
  });

  it('names what a service lacks', async () => {
    await using site = await mutualSite();
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults: { mqtt: 'is not connected' } }));

    expect((await examine(site.run)).findings).toMatchObject([{ what: 'agent is not ready: mqtt is not connected.' }]);
  });

  it('sends who has lost the store to the backup, and does not say to start the services again', async () => {
    await using site = await mutualSite();
    const fault = 'The store has lost the CAs of this site.';
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults: { site: fault } }));

    expect((await examine(site.run)).findings).toMatchObject([
      {
        what: 'agent is not ready: site The store has lost the CAs of this site.',
        fix: `restore the backup, or without one: sallyport --config-dir ${site.directory} site refound`,
      },
    ]);
  });

  it('names an address under which the certificate service cannot prove itself', async () => {
    await using site = await mutualSite();
    await set(site, 'pki.url', `https://127.0.0.1:${site.ports.pki}`);

    expect((await examine(site.run)).findings).toMatchObject([
      {
        id: 'certificate-service',
        what: expect.stringContaining('it is for another host name'),
        fix: expect.stringMatching(/config add pki\.hostnames 127\.0\.0\.1 && npm start/),
      },
    ]);
  });

  it('names a revocation list that is stale', async () => {
    await using site = await mutualSite();

    const { findings } = await examine(site.run, { now: () => ahead(2) });

    expect(findings).toContainEqual(
      expect.objectContaining({
        id: 'authorities',
        what: expect.stringMatching(/^The revocation list of device-1 is stale since /),
      }),
    );
  });

  it('names a CA that comes to its end, and the rotation', async () => {
    const authority = new TestAuthority('Short', { notBefore: ago(300), notAfter: ahead(80) });
    await using site = await mutualSite(authority);

    const { findings } = await examine(site.run);

    expect(findings).toContainEqual(
      expect.objectContaining({
        id: 'authorities',
        severity: 'warning',
        what: expect.stringMatching(/^The CA device-1 ends /),
        fix: expect.stringMatching(/ca rotate --purpose device$/),
      }),
    );
  });

  it('gives the name a foreign certificate holds, for clients to use', async () => {
    await using site = await mutualSite();
    await using ca = await TestCa.create();
    const own = await ca.issue({ commonName: 'gateway', subjectAltNames: ['DNS:gateway.example'] });
    await set(site, 'http.cert_path', own.certPath);
    await set(site, 'http.key_path', own.keyPath);

    const { findings } = await examine(site.run);

    expect(findings).toContainEqual(
      expect.objectContaining({
        id: 'server-names',
        what: `${own.certPath} is not for "127.0.0.1", the name clients connect to (http.client.host); it is for: gateway.example.`,
        fix: expect.stringMatching(/config set http\.client\.host gateway\.example$/),
      }),
    );
  });

  it('opens the settings file where it is no TOML', async () => {
    await using site = await mutualSite();
    await writeFile(join(site.directory, 'tedge.toml'), 'http.bind.port = = 1\n');

    const { healthy, findings } = await examine(site.run);

    expect(healthy).toBe(false);
    expect(findings).toMatchObject([{ id: 'settings', fix: `\${EDITOR:-vi} ${site.directory}/tedge.toml` }]);
  });

  it('unsets a setting with a value that cannot be', async () => {
    await using site = await mutualSite();
    await writeFile(join(site.directory, 'tedge.toml'), `${await site.settings()}mqtt.topic_root = "a#"\n`);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(findings).toMatchObject([{ id: 'settings', what: expect.stringContaining('mqtt.topic_root') }]);
    expect((await examine(site.run)).healthy).toBe(true);
  });

  it('names a setting that nothing reads, which a person expects something of', async () => {
    await using site = await mutualSite();
    await writeFile(join(site.directory, 'tedge.toml'), `${await site.settings()}mqtt.bind.enabled = false\n`);

    const { findings } = await examine(site.run);

    expect(findings).toMatchObject([
      { id: 'settings', what: expect.stringContaining('mqtt.bind.enabled is set (tedge.toml), but nothing') },
    ]);
  });

  it('unsets a variable of the environment that is wrong', async () => {
    await using site = await mutualSite();

    const { findings } = await examine(site.run, { env: { TEDGE_HTTP_BIND_PORT: 'x' } });

    expect(findings).toMatchObject([{ fix: 'unset TEDGE_HTTP_BIND_PORT' }]);
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
      'ok       certificate of this device',
      'ok       certificates this machine shows as a client',
      'ok       permissions of keys and secrets',
      'ok       clock',
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
