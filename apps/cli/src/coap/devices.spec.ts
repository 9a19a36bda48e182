import { join } from 'node:path';
import { adminSocketPath } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { AdminServer, type Route } from '../fixtures/admin-server.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const lamp = {
  deviceId: 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5',
  isOnline: true,
  owner: 'alice',
  remoteAddress: '192.0.2.7',
  connectionId: '60c6ed47-bb11-45e8-8a4c-f3ca1a4a1b42',
  connectedAt: '2026-06-01T12:00:00.000Z',
};
const { owner: _, ...unowned } = lamp;
const heater = {
  ...unowned,
  deviceId: 'uuid:c7a2a42e-b285-42f1-a36b-034c8fc8efd5',
  isOnline: false,
  offlineAt: '2026-06-01T12:30:00.000Z',
};

describe('coap devices', () => {
  /** A site with a CoAP gateway that lists these devices. */
  async function gatewaySite(list: Route) {
    const opened = new AsyncDisposableStack();
    const site = opened.use(await fakeSite());
    const socket = adminSocketPath(join(site.directory, 'run'), 'coap-gateway', '/');
    const server = await AdminServer.listen(socket, { 'GET /v1/coap/devices': list });
    opened.defer(() => server.close());
    return { run: site.run, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  }

  it('lists who is online and who was, page after page', async () => {
    await using site = await gatewaySite(({ url }) =>
      url.searchParams.get('cursor') === null ? { devices: [lamp], cursor: 'next' } : { devices: [heater] },
    );
    expect((await site.run(['coap', 'devices'])).stdout.split('\n')).toEqual([
      'DEVICE                                     STATUS   SINCE                     OWNER  ADDRESS',
      'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5  online   2026-06-01T12:00:00.000Z  alice  192.0.2.7',
      'uuid:c7a2a42e-b285-42f1-a36b-034c8fc8efd5  offline  2026-06-01T12:30:00.000Z  -      192.0.2.7',
      '',
    ]);
  });

  it('prints JSON for programs, and says when there is none', async () => {
    await using site = await gatewaySite(() => ({ devices: [] }));
    expect(JSON.parse((await site.run(['coap', 'devices', '--json'])).stdout)).toEqual({ devices: [] });
    expect((await site.run(['coap', 'devices'])).stdout).toBe('No device has signed in yet.\n');
  });
});
