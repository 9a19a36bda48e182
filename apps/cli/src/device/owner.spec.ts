import { adminSocketPath } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { description } from '../fixtures/device-answers.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const lamp = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const owned = { ...description, deviceId: lamp, owner: 'alice' };
const { owner: _, ...free } = owned;

describe('device owner', () => {
  it('says who owns a device, also for programs', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set(`GET /v1/devices/${lamp}`, () => owned);
    expect((await site.run(['device', 'owner', lamp])).stdout).toBe(`"alice" owns device ${lamp}.\n`);
    const { stdout } = await site.run(['device', 'owner', lamp, '--json']);
    expect(JSON.parse(stdout)).toEqual({ deviceId: lamp, owner: 'alice' });
  });

  it('gives it to somebody else', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set(`POST /v1/devices/${lamp}/owner`, () => ({ ...owned, owner: 'bob' }));
    const { stdout } = await site.run(['device', 'owner', lamp, 'bob', '--reason', 'sold']);
    expect(stdout).toBe(`"bob" owns device ${lamp}.\n`);
    expect(site.admin['device-registry'].seen.map(({ body }) => body)).toEqual([{ owner: 'bob', reason: 'sold' }]);
  });

  it('takes it from its owner', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set(`POST /v1/devices/${lamp}/owner`, () => free);
    const { stdout } = await site.run(['device', 'owner', lamp, '--release']);
    expect(stdout).toBe(`Nobody owns device ${lamp}.\n`);
    expect(site.admin['device-registry'].seen.map(({ body }) => body)).toEqual([{}]);
  });

  it('does not do both at once', async () => {
    await using site = await fakeSite();
    const { exitCode, stderr } = await site.run(['device', 'owner', lamp, 'bob', '--release']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('A device is given to somebody, or released, but not both.');
    expect(site.admin['device-registry'].seen).toEqual([]);
  });
});

describe('device show', () => {
  it('says who owns a device of OCF, and whether it is online', async () => {
    await using site = await fakeSite();
    const socket = adminSocketPath(`${site.directory}/run`, 'coap-gateway', '/');
    const gateway = await AdminServer.listen(socket, {
      'GET /v1/coap/devices/:id': () => ({
        deviceId: lamp,
        isOnline: true,
        owner: 'alice',
        remoteAddress: '192.0.2.7',
        connectionId: '60c6ed47-bb11-45e8-8a4c-f3ca1a4a1b42',
        connectedAt: '2026-06-01T12:00:00.000Z',
      }),
    });
    onTestFinished(() => gateway.close());
    const claimed = { ...owned, authority: 'none' };
    site.admin['device-registry'].routes.set(`GET /v1/devices/${lamp}`, () => claimed);
    const { stdout } = await site.run(['device', 'show', lamp]);
    expect(stdout).toMatch(/\nOwner: +alice\n/);
    expect(stdout).toMatch(/\nVouched by: nobody: its owner signed it up\n/);
    expect(stdout).toContain('CoAP:\n  online since 2026-06-01T12:00:00.000Z, from 192.0.2.7\n');
  });
});
