import { adminSocketPath } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer, type Route } from '../fixtures/admin-server.fixture.js';
import { description } from '../fixtures/device-answers.fixture.js';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

const event = (type: string, index: number, more: object = {}) => ({
  id: `000000000000000${index}-0000000000000000`,
  type,
  device: 'child01',
  connector: 'default',
  at: `2026-05-01T12:00:0${index}.000001Z`,
  ...more,
});

const wrote = event('data_in', 2, {
  protocol: 'https',
  address: '192.0.2.9',
  payload: { values: { temperature: '50', humidity: '7' } },
});
const provisioned = event('provisioned', 1, { protocol: 'https', address: '192.0.2.9' });

const values = {
  values: [
    {
      alias: 'valve',
      reported: { value: 'closed', at: '2026-05-01T12:00:02.000001Z' },
      desired: { value: 'open', at: '2026-05-01T12:00:03.000001Z' },
      synced: false,
    },
  ],
};

/** A site with a connector that answers so. */
async function siteWithConnector(
  routes: Readonly<Record<string, Route>>,
): Promise<FakeSite & { seen: AdminServer['seen'] }> {
  const site = await fakeSite();
  onTestFinished(() => site[Symbol.asyncDispose]());
  const connector = await AdminServer.listen(adminSocketPath(`${site.directory}/run`, 'connector', '/'), routes);
  onTestFinished(() => connector.close());
  site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => description);
  return { ...site, seen: connector.seen };
}

describe('device timeline', () => {
  it('shows what happened over all protocols, page after page', async () => {
    const site = await siteWithConnector({});
    site.admin['device-registry'].routes.set('GET /v1/devices/:id/timeline', ({ url }) =>
      url.searchParams.has('before')
        ? { events: [provisioned], missing: [] }
        : { events: [wrote], before: wrote.id, missing: [] },
    );

    expect((await site.run(['device', 'timeline', 'child01'])).stdout.split('\n')).toEqual([
      'AT                           EVENT        OVER   FROM       WHAT',
      '2026-05-01T12:00:02.000001Z  data_in      https  192.0.2.9  temperature=50, humidity=7',
      '2026-05-01T12:00:01.000001Z  provisioned  https  192.0.2.9',
      '',
    ]);
  });

  it('asks for no more than it shows, and says whose events are missing', async () => {
    const site = await siteWithConnector({});
    site.admin['device-registry'].routes.set('GET /v1/devices/:id/timeline', () => ({
      events: [wrote],
      before: wrote.id,
      missing: ['connector'],
    }));

    const { stdout } = await site.run(['device', 'timeline', 'child01', '--limit', '1']);

    expect(stdout).toContain('What connector knows is missing: it did not answer.\n');
    expect(site.admin['device-registry'].seen.map(({ route }) => route)).toEqual([
      'GET /v1/devices/child01/timeline?limit=1',
    ]);
  });
});

describe('device values, set and history', () => {
  it('shows what was reported and what is desired', async () => {
    const site = await siteWithConnector({ 'GET /v1/devices/:id/values': () => values });

    expect((await site.run(['device', 'values', 'child01'])).stdout.split('\n')).toEqual([
      'VALUE  REPORTED  AT                           DESIRED  SYNCED',
      'valve  closed    2026-05-01T12:00:02.000001Z  open     no',
      '',
    ]);
  });

  it('sets several values at once', async () => {
    const site = await siteWithConnector({
      'PATCH /v1/devices/:id/values': () => ({ at: '2026-05-01T12:00:03.000001Z' }),
    });

    const { stdout } = await site.run(['device', 'set', 'child01', 'valve=open', 'note=a=b']);

    expect(stdout).toContain('Set at 2026-05-01T12:00:03.000001Z.');
    expect(site.seen.map(({ body }) => body)).toEqual([{ values: { valve: 'open', note: 'a=b' } }]);
  });

  it('sets values by the schema of the connector that the device belongs to', async () => {
    const site = await siteWithConnector({
      'PATCH /v1/devices/:id/values': () => ({ at: '2026-05-01T12:00:03.000001Z' }),
    });
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => ({
      ...description,
      connector: 'plant2',
    }));

    await site.run(['device', 'set', 'child01', 'valve=open']);

    expect(site.seen.map(({ body }) => body)).toEqual([{ connector: 'plant2', values: { valve: 'open' } }]);
  });

  it('sets nothing for a name that no device has', async () => {
    const site = await siteWithConnector({});

    const { exitCode, stderr } = await site.run(['device', 'set', 'chlid01', 'valve=open']);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Error: ');
    expect(site.seen).toEqual([]);
  });

  it('is called wrongly with what sets nothing', async () => {
    const site = await siteWithConnector({});

    expect((await site.run(['device', 'set', 'child01', 'valve'])).exitCode).toBe(2);
    expect((await site.run(['device', 'set', 'child01', 'a.b=1'])).exitCode).toBe(2);
  });

  it('shows the history of one value', async () => {
    const point = { alias: 'valve', value: 'closed', at: '2026-05-01T12:00:02.000001Z' };
    const site = await siteWithConnector({ 'GET /v1/devices/:id/history': () => ({ points: [point] }) });

    const { stdout } = await site.run(['device', 'history', 'child01', '--alias', 'valve']);

    expect(stdout).toContain('2026-05-01T12:00:02.000001Z  valve  closed\n');
    expect(site.seen.map(({ route }) => route)).toEqual(['GET /v1/devices/child01/history?limit=100&alias=valve']);
  });
});

describe('device show', () => {
  it('ends with the values and the newest events', async () => {
    const site = await siteWithConnector({ 'GET /v1/devices/:id/values': () => values });
    site.admin['device-registry'].routes.set('GET /v1/devices/:id/timeline', () => ({
      events: [wrote, provisioned],
      missing: [],
    }));

    const { stdout } = await site.run(['device', 'show', 'child01']);

    expect(stdout).toMatch(/\nValues:\n {2}VALUE .*\n {2}valve +closed /);
    expect(stdout).toMatch(/\nTimeline:\n {2}AT .*\n.* data_in .*\n.* provisioned /);
  });

  it('works where no connector runs', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/devices/child01', () => description);

    const { exitCode, stdout } = await site.run(['device', 'show', 'child01']);

    expect(exitCode).toBe(0);
    expect(stdout).not.toMatch(/Values|Timeline/);
  });
});
