import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

const registryOf = (site: FakeSite) => site.admin['device-registry'];
const known = { name: 'crm', url: 'https://crm.example/hook', createdAt: '2026-06-01T12:00:00Z', waiting: 3 };

describe('webhook', () => {
  it('add makes a webhook for some events of a connector', async () => {
    await using site = await fakeSite();
    registryOf(site).routes.set('POST /v1/webhooks/:name', () => known);
    const filter = ['--type', 'provisioned', '--type', 'deleted', '--connector', 'default'];
    const { stdout } = await site.run(['webhook', 'add', 'crm', known.url, ...filter]);
    expect(registryOf(site).seen).toMatchObject([
      {
        route: 'POST /v1/webhooks/crm',
        body: { url: known.url, types: ['provisioned', 'deleted'], connector: 'default' },
      },
    ]);
    expect(stdout).toBe('Events from now on are sent to https://crm.example/hook\n');
  });

  it.each([
    ['--type', 'exploded'],
    ['--connector', 'No Name'],
  ])('add refuses %s %s before it asks', async (...given) => {
    await using site = await fakeSite();
    const { exitCode } = await site.run(['webhook', 'add', 'crm', known.url, ...given]);
    expect({ isRefused: exitCode > 0, asked: registryOf(site).seen }).toEqual({ isRefused: true, asked: [] });
  });

  it('list shows how much waits, and why', async () => {
    await using site = await fakeSite();
    registryOf(site).routes.set('GET /v1/webhooks', () => ({ webhooks: [{ ...known, fault: 'answered 500' }] }));
    const { stdout } = await site.run(['webhook', 'list']);
    expect(stdout).toMatch(/crm +https:\/\/crm\.example\/hook +all +any +3 +answered 500/);
  });

  it('remove removes it', async () => {
    await using site = await fakeSite();
    registryOf(site).routes.set('DELETE /v1/webhooks/:name', () => undefined);
    expect((await site.run(['webhook', 'remove', 'crm'])).stdout).toBe('Webhook crm is removed.\n');
  });
});
