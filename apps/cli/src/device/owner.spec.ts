import { describe, expect, it } from 'vitest';
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
