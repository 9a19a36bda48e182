import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GatewaySite, send } from '../gateway-site.fixture.js';

const devices = Array.from(
  { length: 200 },
  (_device, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
);

let site: GatewaySite;

beforeAll(async () => {
  site = await GatewaySite.open({ settings: ['coap.tls.client_certificate_required = false'] });
});
afterAll(() => site[Symbol.asyncDispose]());

it('a fleet that comes back all at once is signed in, each device as itself, and leaves nothing behind', async () => {
  site.provider.issue('of the fleet', { expiresAt: new Date(Date.now() + 3_600_000) });
  const clients = await Promise.all(
    devices.map(async (di) => {
      site.registry.owners.set(`uuid:${di}`, '1');
      const client = await site.connect();
      const body = { di, uid: '1', accesstoken: 'of the fleet', login: true };
      return { client, code: (await send(client, '/oic/sec/session', body)).code };
    }),
  );
  expect(new Set(clients.map(({ code }) => code))).toEqual(new Set(['2.04']));
  expect([...site.devices.all].map(({ device }) => device).toSorted()).toEqual(devices);
  for (const { client } of clients) client.socket.destroy();
  await waitFor(() => [...site.devices.all].length === 0);
  const metrics = await waitFor(async () => {
    const text = await site.context.metrics.metrics();
    return text.includes('sallyport_coap_connections 0') && text;
  });
  expect(metrics).toContain('sallyport_coap_sessions 0');
});
