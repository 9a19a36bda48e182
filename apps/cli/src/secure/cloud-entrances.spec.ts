import { join } from 'node:path';
import { adminSocketPath } from '@sallyport/protocol';
import { freePorts } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';
import { SiteEntrance } from '../fixtures/site-entrance.fixture.js';

interface ConnectedSite extends AsyncDisposable {
  readonly site: FakeSite;
  readonly proxy: SiteEntrance;
  readonly levels: () => (string | undefined)[];
  readonly set: (...words: string[]) => Promise<void>;
}

/** A site whose Cumulocity proxy has an entrance for each of these connections. */
async function siteConnectedTo(...connections: string[]): Promise<ConnectedSite> {
  const opened = new AsyncDisposableStack();
  const site = opened.use(await fakeSite());
  const set = async (...words: string[]) => {
    expect((await site.run(['config', 'set', ...words])).exitCode).toBe(0);
  };
  const [port, plantPort] = await freePorts(2);
  await set('c8y.proxy.bind.port', String(port));
  await set('c8y.proxy.bind.port', String(plantPort), '--profile', 'plant2');
  if (connections.length > 0) await set('cloud.connections', connections.join(','));
  const { directory: configDir, authority } = site;
  const proxy = await SiteEntrance.open({ configDir, authority, group: 'c8y.proxy' });
  opened.defer(() => proxy.close());
  const admin = await AdminServer.listen(adminSocketPath(join(configDir, 'run'), 'c8y-proxy', '/'), proxy.routes);
  opened.defer(() => admin.close());
  const levels = () => proxy.all.map(({ profile, level }) => `${profile ?? '-'} ${level}`);
  return { site, proxy, levels, set, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

describe('secure on a site that is connected to Cumulocity', () => {
  it.each(['server', 'mutual'])(
    'takes the entrance of each connection to level %s, with one certificate',
    async (level) => {
      await using connected = await siteConnectedTo('c8y', 'c8y@plant2');
      const { exitCode, stdout } = await connected.site.run(['secure', level]);

      expect(exitCode).toBe(0);
      expect(stdout).toContain('prove c8y-proxy (c8y.proxy)');
      expect(stdout).toContain('prove c8y-proxy (c8y.proxy@plant2)');
      expect(connected.levels()).toEqual([`- ${level}`, `plant2 ${level}`]);
      expect((await connected.site.run(['secure', 'plain'])).exitCode).toBe(0);
      expect(connected.levels()).toEqual(['- plain', 'plant2 plain']);
    },
  );

  it('names the service alone where it has one entrance', async () => {
    await using connected = await siteConnectedTo('c8y@plant2');
    const { exitCode, stdout } = await connected.site.run(['secure', 'server']);

    expect([exitCode, connected.levels()]).toEqual([0, ['plant2 server']]);
    expect(stdout).toMatch(/prove c8y-proxy:/);
  });

  it('has the proxy read a connection that came since its start', async () => {
    await using connected = await siteConnectedTo();
    expect(connected.levels()).toEqual([]);
    await connected.set('cloud.connections', 'c8y');

    expect((await connected.site.run(['secure', 'server'])).exitCode).toBe(0);
    expect(connected.levels()).toEqual(['- server']);
  });

  it('closes an entrance whose connection is gone', async () => {
    await using connected = await siteConnectedTo('c8y');
    await connected.set('cloud.connections', '');

    const { exitCode, stdout } = await connected.site.run(['secure', 'server']);

    expect([exitCode, connected.levels()]).toEqual([0, []]);
    expect(stdout).toContain('close c8y-proxy: cloud.connections does not name c8y');
  });

  it('takes everything back where a profile has certificates of its own, and says how to give them up', async () => {
    await using connected = await siteConnectedTo('c8y', 'c8y@plant2');
    await connected.site.run(['secure', 'server']);
    for (const part of ['cert_path', 'key_path']) {
      const { stdout } = await connected.site.run(['config', 'get', `c8y.proxy.${part}`]);
      await connected.set(`c8y.proxy.${part}`, stdout.trim(), '--profile', 'plant2');
    }

    const { exitCode, stderr } = await connected.site.run(['secure', 'plain']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'The profile plant2 has certificate settings of its own, which this command does not change.',
    );
    expect(stderr).toContain('config unset c8y.profiles.plant2.proxy.cert_path');
    expect(connected.levels()).toEqual(['- server', 'plant2 server']);
  });

  it('does without a proxy that does not run on a site without a cloud', async () => {
    await using site = await fakeSite();

    expect((await site.run(['secure', 'mutual'])).exitCode).toBe(0);
  });
});

describe('doctor on a site that is connected to Cumulocity', () => {
  it('finds nothing wrong with the entrances of the proxy', async () => {
    await using connected = await siteConnectedTo('c8y', 'c8y@plant2');
    await connected.site.run(['secure', 'mutual']);

    const { stdout } = await connected.site.run(['doctor']);

    expect(stdout).not.toMatch(/Cumulocity proxy.*(?:closed|its settings say)/);
    expect((await connected.site.run(['status'])).stdout).toMatch(/^Cumulocity proxy, profile plant2 .* mutual/m);
  });
});
