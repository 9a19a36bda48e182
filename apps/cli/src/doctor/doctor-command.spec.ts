import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { freePort } from '@sallyport/testkit';
import { certificateProfiles } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { ago, ahead, otherKey, set, unset } from '../fixtures/broken-site.fixture.js';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { type MutualSite, mutualSite } from '../fixtures/mutual-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

interface Breakage {
  readonly what: string;
  readonly breakIt: (site: MutualSite) => Promise<unknown>;
  /** The check that finds it, and what it says. */
  readonly finds: readonly [id: string, what: string | RegExp];
}

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
  {
    what: 'clients look for the MQTT broker at another port',
    breakIt: async (site) => set(site, 'mqtt.client.port', String(await freePort())),
    finds: ['mqtt-client', /^Cannot talk to mqtts:\/\/127\.0\.0\.1:\d+: nothing listens there/],
  },
  {
    what: 'clients trust another CA than that of the MQTT broker',
    breakIt: async (site) => {
      await writeFile(join(site.directory, 'other.pem'), new TestAuthority('Other').rootPem);
      await set(site, 'mqtt.client.cafile', join(site.directory, 'other.pem'));
    },
    finds: ['mqtt-client', /^The certificate of mqtts:\/\/127\.0\.0\.1:\d+ was rejected: its CA is not trusted here/],
  },
  {
    what: 'clients show no certificate to the MQTT broker',
    breakIt: async (site) => {
      await unset(site, 'mqtt.client.auth.cert_file');
      await unset(site, 'mqtt.client.auth.key_file');
    },
    finds: ['mqtt-client', 'it wants a client certificate, and none was sent'],
  },
  {
    what: 'the CA of the MQTT broker is missing',
    breakIt: (site) => set(site, 'mqtt.client.cafile', '/nowhere/ca.crt'),
    finds: ['mqtt-client', 'mqtt.client.auth.ca_file: /nowhere/ca.crt cannot be read (ENOENT).'],
  },
  {
    what: 'clients use no TLS although the MQTT broker does',
    breakIt: (site) => unset(site, 'mqtt.client.auth.ca_file'),
    finds: ['mqtt-client', 'closed the connection before it answered'],
  },
  {
    what: 'half a client certificate for the MQTT broker is set',
    breakIt: (site) => unset(site, 'mqtt.client.auth.cert_file'),
    finds: ['client-identities', 'mqtt.client.auth.key_file is set and mqtt.client.auth.cert_file is not'],
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
