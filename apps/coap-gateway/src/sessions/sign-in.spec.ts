import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

describe('the sign-in of a device', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open();
  });
  afterAll(() => site[Symbol.asyncDispose]());

  it('signs a device in that has an owner, a certificate and a token', async () => {
    await using client = await site.connect({ device: await site.device() });
    site.provider.issue('good');
    site.registry.owners.set(`uuid:${lamp}`, '1');
    const request = { di: lamp, uid: '1', accesstoken: 'good', login: true };
    expect(await send(client, '/oic/sec/session', request)).toMatchObject({ code: '2.04', body: { expiresin: -1 } });
    expect([...site.devices.all].map(({ device, owner }) => ({ device, owner }))).toEqual([
      { device: lamp, owner: '1' },
    ]);
  });
});
