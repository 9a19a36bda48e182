import { Problem } from '@sallyport/protocol';
import { freePorts } from '@sallyport/testkit';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { SiteEntrance } from '../fixtures/site-entrance.fixture.js';
import { takesConnections } from './probe.js';

/** The real admin entrance of the signer at a site. */
async function openSignerEntrance({ directory, authority, admin }: FakeSite): Promise<void> {
  const entrance = await SiteEntrance.open({ group: 'pki.admin', configDir: directory, authority });
  onTestFinished(() => entrance.close());
  for (const [name, route] of Object.entries(entrance.routes)) admin['pki-signer'].routes.set(name, route);
}

describe('an entrance that opens only where its port is set', () => {
  let site: FakeSite;
  let port: number;
  const isOpen = () => takesConnections({ host: '127.0.0.1', port });
  const setPort = () => site.run(['config', 'set', 'pki.admin.bind.port', String(port)]);
  const unsetPort = () => site.run(['config', 'unset', 'pki.admin.bind.port']);

  beforeEach(async () => {
    site = await fakeSite();
    onTestFinished(() => site[Symbol.asyncDispose]());
    [port = 0] = await freePorts(1);
  });

  it.each(['mutual', 'plain'])('is closed by "secure %s" once its port is unset', async (level) => {
    await setPort();
    await openSignerEntrance(site);
    expect((await site.run(['secure', 'mutual'])).exitCode).toBe(0);
    expect(await isOpen()).toBe(true);
    await unsetPort();

    const { exitCode, stdout } = await site.run(['secure', level]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('ok     close pki-signer: pki.admin.bind.port is not set\n');
    expect(await isOpen()).toBe(false);
    expect((await site.run(['secure', level])).stdout).not.toContain('close pki-signer');
  });

  it('opens when its port was set after the service started', async () => {
    await openSignerEntrance(site);
    await setPort();

    const { exitCode, stdout } = await site.run(['secure', 'mutual']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('ok     prove pki-signer: lets');
    expect(await isOpen()).toBe(true);
  });

  it('makes the switch fail, before anything changes, when it cannot be closed', async () => {
    await setPort();
    await openSignerEntrance(site);
    await unsetPort();
    site.admin['pki-signer'].routes.set('POST /v1/entrance/reload', () => {
      throw new Problem('config-invalid', 'The key does not pair. Check it.');
    });
    const before = await site.settings();

    const { exitCode, stderr } = await site.run(['secure', 'mutual']);

    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringContaining('"close pki-signer" failed: The key does not pair.'),
    });
    expect(await site.settings()).toBe(before);
  });

  it('needs no signer that runs when the site becomes plain', async () => {
    await site.admin['pki-signer'].close();

    expect((await site.run(['secure', 'plain'])).exitCode).toBe(0);
  });
});
