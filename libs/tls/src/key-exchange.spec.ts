import { describe, expect, it, onTestFinished } from 'vitest';
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
