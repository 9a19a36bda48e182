import { describe, expect, it, onTestFinished } from 'vitest';
import { forge, forgeCa, newRsaKeys } from './fixtures/forge.js';
import { Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

describe('key exchange', () => {
  it('is post-quantum hybrid with a client that can, without it asking', async () => {
    const { port } = await site.openListener(serverOnly());

    const socket = await site.openTls(port);

    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519MLKEM768' });
  });

  it.each([
    ['X25519', { ecdhCurve: 'X25519' }, 'X25519'],
    ['P-256', { ecdhCurve: 'P-256' }, 'prime256v1'],
    ['P-384', { ecdhCurve: 'P-384' }, 'secp384r1'],
    ['X25519 in TLS 1.2', { maxVersion: 'TLSv1.2' }, 'X25519'],
  ] as const)('falls back to %s for a client that has no more', async (_, options, name) => {
    const { port } = await site.openListener(serverOnly());

    expect((await site.openTls(port, options)).getEphemeralKeyInfo()).toMatchObject({ name });
  });
});

describe('a listener whose certificate has an RSA key', () => {
  const issuer = forgeCa('server CA');
  const { pem, keyPem } = forge({ subject: 'localhost', issuer, keys: newRsaKeys(2048), dnsNames: ['localhost'] });
  const security = { certificatePem: pem, keyPem, clientCertificate: 'none' } as const;

  it('lets nobody who records the traffic read it once that key is known (RFC 9325 §4.1)', async () => {
    const { port } = await site.openListener(security);

    await expect(site.openTls(port, { maxVersion: 'TLSv1.2', ciphers: 'kRSA' })).rejects.toThrow('handshake failure');
  });

  it('serves TLS 1.2 clients with a key exchange of its own', async () => {
    const { port } = await site.openListener(security);

    const socket = await site.openTls(port, { maxVersion: 'TLSv1.2' });

    expect(socket.getCipher().name).toMatch(/^ECDHE-RSA-/);
  });
});
