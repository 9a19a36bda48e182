import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { levelsOf } from '../fixtures/level-switch.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

describe('a site that cannot be switched', () => {
  it('is left alone while a service does not run', async () => {
    await using site = await fakeSite();
    await site.admin.agent.close();
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The service agent does not run');
    expect(stderr).toContain('npm start');
    expect(await site.settings()).toBe(before);
  });

  it('is left alone while the environment beats what would be written', async () => {
    await using site = await fakeSite();

    const { exitCode, stderr } = await site.run(['secure', 'mutual'], {
      env: { TEDGE_HTTP_CA_PATH: '/etc/ssl/certs' },
    });

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The environment sets http.ca_path');
  });

  it('is left alone by secure plain too while the environment beats what would be written', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'plain'], { env: { TEDGE_HTTP_CA_PATH: '/etc/ssl/certs' } });

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The environment sets http.ca_path');
    expect(await site.settings()).toBe(before);
    expect(levelsOf(site)).toEqual(['mutual', 'mutual', 'mutual']);
  });

  it('is left alone while something else listens where an entrance is closed', async () => {
    await using site = await fakeSite();
    const stranger = createServer((socket) => socket.end());
    stranger.listen(site.ports.registry, '127.0.0.1');
    await once(stranger, 'listening');

    const { exitCode, stderr } = await site.run(['secure', 'server']);
    stranger.close();

    expect(exitCode).toBe(1);
    expect(stderr).toContain('something answers although the entrance should be closed');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

describe('a signer that issues something else than was asked for', () => {
  const others: readonly (readonly [what: string, answer: (site: FakeSite) => { certPem: string }])[] = [
    ['another key', ({ authority }) => authority.issue({ commonName: 'local-client', kind: 'service' })],
    ['another CA', () => new TestAuthority('Other').issue({ commonName: 'local-client', kind: 'service' })],
  ];

  it.each(others)('is not believed: %s', async (_, answer) => {
    await using site = await fakeSite();
    const { certPem } = answer(site);
    site.admin['pki-signer'].routes.set('POST /v1/certificates', () => ({
      fingerprint: '0'.repeat(64),
      notAfter: '2030-01-01T00:00:00.000Z',
      chain: certPem,
    }));

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('The signer issued something else than was asked for local-client.');
    expect(levelsOf(site)).toEqual(['plain', 'closed', 'plain']);
  });
});

describe('a certificate that is not valid yet', () => {
  it('of a listener is replaced, as after a clock that was ahead', async () => {
    await using site = await mutualSite();
    const [notBefore, notAfter] = [1, 60].map((days) => new Date(Date.now() + days * 86_400_000));
    if (notBefore !== undefined && notAfter !== undefined) await site.replaceAgent({ notBefore, notAfter });

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('certificate of agent: issued');
  });

  it('of a client of this machine is replaced too', async () => {
    await using site = await fakeSite();
    await site.run(['secure', 'mutual']);
    const earlier = new Date(Date.now() - 7 * 86_400_000);

    const { stdout } = await site.run(['secure', 'mutual'], { now: () => earlier });

    expect(stdout).toContain('certificate of local-client: issued');
    expect(stdout).toContain('certificate of operator: issued');
  });
});
