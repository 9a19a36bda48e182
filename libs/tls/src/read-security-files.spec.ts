import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forge, forgeCa, forgeServer, newRsaKeys } from './fixtures/forge.js';
import { closePrimes } from './fixtures/weak-keys.js';
import { readSecurityFiles } from './index.js';

const keys = { cert: 'http.cert_path', key: 'http.key_path', ca: 'http.ca_path' };

async function place(files: Readonly<Record<string, string>>): Promise<(name: string) => string> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-files-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content, { mode: 0o600 });
  return (name) => join(directory, name);
}

/** Reads a certificate and key with these contents, as an operator would have set them. */
async function readPair(cert: string, key: string) {
  const at = await place({ cert, key });
  return { at, read: readSecurityFiles({ certPath: at('cert'), keyPath: at('key'), keys }) };
}

const server = (): Forged => forgeServer(forgeCa('server CA'));

describe('the security level of a listener', () => {
  it('is plain when neither certificate nor key is set', async () => {
    expect(await readSecurityFiles({ keys })).toEqual({
      level: 'plain',
      settings: { clientCertificate: 'none' },
      warnings: [],
    });
  });

  it('is plain, with a warning, when only trusted CAs are set', async () => {
    expect(await readSecurityFiles({ caPath: 'anything', keys })).toMatchObject({
      level: 'plain',
      warnings: [
        'http.ca_path has no effect while http.cert_path and http.key_path are not set: the port speaks plain HTTP.',
      ],
    });
  });

  it('is server when certificate and key are set', async () => {
    const { pem, keyPem } = server();
    const { read } = await readPair(pem, keyPem);

    expect(await read).toEqual({
      level: 'server',
      settings: { certificatePem: pem, keyPem, clientCertificate: 'none' },
      warnings: [],
    });
  });

  it('is mutual when trusted CAs are set too', async () => {
    const { pem, keyPem } = server();
    const at = await place({ cert: pem, key: keyPem, ca: forgeCa('fleet').pem });

    const found = await readSecurityFiles({ certPath: at('cert'), keyPath: at('key'), caPath: at('ca'), keys });

    expect(found.level).toBe('mutual');
    expect(found.settings).toMatchObject({ clientCertificate: 'required' });
    expect(found.settings.ca?.certificates.map(({ subject }) => subject.text)).toEqual(['CN=fleet']);
  });
});

describe('half a pair', () => {
  it.each([
    [
      'a certificate without a key',
      { certPath: '/c' },
      'http.cert_path is set but http.key_path is not. The group is http.cert_path (set), http.key_path (not set), http.ca_path (not set). Set http.key_path too for TLS, or unset http.cert_path to be without TLS.',
    ],
    [
      'a key without a certificate',
      { keyPath: '/k', caPath: '/ca' },
      'http.key_path is set but http.cert_path is not. The group is http.cert_path (not set), http.key_path (set), http.ca_path (set). Set http.cert_path too for TLS, or unset http.key_path to be without TLS.',
    ],
  ])('is refused: %s, naming every key of the group', async (_, paths, message) => {
    await expect(readSecurityFiles({ ...paths, keys })).rejects.toMatchObject({ type: 'config-invalid', message });
  });
});

describe('a file that cannot be used', () => {
  it.each<[string, () => [cert: string, key: string], RegExp]>([
    [
      'the two swapped',
      () => [server().keyPem, server().pem],
      /^http\.cert_path and http\.key_path are swapped: \S+cert holds a private key and \S+key a certificate\. Exchange the two\.$/,
    ],
    [
      'a certificate given as key',
      () => [server().pem, server().pem],
      /^http\.key_path: \S+key holds a certificate, not a private key\./,
    ],
    [
      'a key given as certificate',
      () => [server().keyPem, server().keyPem],
      /^http\.cert_path: \S+cert holds a private key, not a certificate\./,
    ],
    [
      'a CRL given as key',
      () => [server().pem, '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'],
      /^http\.key_path: \S+key holds a revocation list \(CRL\), not a private key\./,
    ],
    ['an empty key file', () => [server().pem, ''], /^http\.key_path: \S+key holds no PEM block, not a private key\./],
    [
      'a damaged key',
      () => [server().pem, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
      /^http\.key_path: \S+key holds a private key that is damaged or of an unknown kind\.$/,
    ],
    [
      'a damaged certificate behind a good one',
      () => {
        const { pem, keyPem } = server();
        return [`${pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, keyPem];
      },
      /^http\.cert_path: \S+cert is damaged\. /,
    ],
    [
      'the key of another certificate',
      () => [server().pem, server().keyPem],
      /^http\.key_path \(\S+key\) is not the key of the certificate in http\.cert_path \(\S+cert\)\.$/,
    ],
    [
      'a chain with the leaf at its end',
      () => {
        const issuing = forgeCa('issuing');
        const leaf = forgeServer(issuing);
        return [issuing.pem + leaf.pem, leaf.keyPem];
      },
      /^http\.key_path \(\S+key\) belongs to certificate 2, which has to come first, in http\.cert_path/,
    ],
  ])('is called by its configuration key: %s', async (_, contents, message) => {
    const { read } = await readPair(...contents());

    await expect(read).rejects.toMatchObject({ type: 'config-invalid', message: expect.stringMatching(message) });
  });

  it.each([
    ['PKCS#8', { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }],
    ['PKCS#1', { type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }],
  ] as const)('says that a key is encrypted (%s), and how to decrypt it', async (_, encoding) => {
    const rsa = newRsaKeys(2048);
    const { pem } = forge({ subject: 'localhost', keys: rsa, dnsNames: ['localhost'] });
    const { read } = await readPair(pem, rsa.privateKey.export(encoding).toString());

    await expect(read).rejects.toThrow(/^http\.key_path: \S+key holds an encrypted private key, .*"openssl pkey /);
  });

  it('tells both faults at once when both files are missing', async () => {
    const at = await place({});

    await expect(readSecurityFiles({ certPath: at('cert'), keyPath: at('key'), keys })).rejects.toThrow(
      `http.cert_path: ${at('cert')} cannot be read (ENOENT). http.key_path: ${at('key')} cannot be read (ENOENT).`,
    );
  });

  it('names the key of the CA path too', async () => {
    const { pem, keyPem } = server();
    const at = await place({ cert: pem, key: keyPem });

    await expect(
      readSecurityFiles({ certPath: at('cert'), keyPath: at('key'), caPath: at('gone'), keys }),
    ).rejects.toThrow(`http.ca_path: The trusted CAs at ${at('gone')} cannot be read (ENOENT).`);
  });

  it('never shows what is in a key', async () => {
    const { read } = await readPair(server().pem, server().keyPem);

    await expect(read).rejects.not.toThrow(/[A-Za-z0-9+/]{40}/);
  });
});

describe('a server certificate whose key can be computed from it', () => {
  it('is not used', async () => {
    const ca = forgeCa('server CA');
    const leaf = forge({ subject: 'localhost', issuer: ca, ca: false, dnsNames: ['localhost'], keys: closePrimes() });
    const { at, read } = await readPair(leaf.pem, leaf.keyPem);

    await expect(read).rejects.toThrow(
      `http.cert_path: the certificate in ${at('cert')} has an RSA key whose primes are too close together. Anybody could pose as this server, so it is not used. Make a new key and have a certificate issued for it.`,
    );
  });
});

describe('a key file', () => {
  it.each([
    ['PKCS#8', 'pkcs8'],
    ['SEC1', 'sec1'],
  ] as const)('may hold %s, behind other blocks', async (_, type) => {
    const { pem, keys: pair } = server();
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    const { read } = await readPair(pem, parameters + pair.privateKey.export({ type, format: 'pem' }));

    expect((await read).level).toBe('server');
  });

  it('that everybody can read gets a warning', async () => {
    const { pem, keyPem } = server();
    const at = await place({ cert: pem, key: keyPem });
    await chmod(at('key'), 0o644);

    expect((await readSecurityFiles({ certPath: at('cert'), keyPath: at('key'), keys })).warnings).toEqual([
      `http.key_path: every user of this machine can read the private key ${at('key')} (mode 0644). Run "chmod 0600" on it.`,
    ]);
  });
});

describe('a certificate clients will not like', () => {
  it.each([
    [
      'has expired',
      { notAfter: new Date('2026-01-02T03:04:05Z') },
      'http.cert_path: the certificate expired 2026-01-02T03:04:05.000Z; clients will refuse it.',
    ],
    [
      'names no host',
      { dnsNames: [] },
      'http.cert_path: the certificate names no host (subject alternative name); clients will refuse it.',
    ],
    [
      'is for clients only',
      { purposes: ['clientAuth'] },
      'http.cert_path: the certificate is not meant for servers (no extended key usage serverAuth).',
    ],
  ] as const)('is taken with a warning when it %s', async (_, fault, warning) => {
    const leaf = forge({ subject: 'localhost', dnsNames: ['localhost'], ...fault });
    const { read } = await readPair(leaf.pem, leaf.keyPem);

    expect((await read).warnings).toEqual([warning]);
  });
});
