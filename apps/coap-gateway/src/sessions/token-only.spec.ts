import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

const other = '00000000-0000-4000-8000-000000000009';
const hour = () => new Date(Date.now() + 3_600_000);

describe('a gateway that asks for no certificate', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open({ settings: ['coap.tls.client_certificate_required = false'] });
    site.registry.owners.set(`uuid:${lamp}`, '1').set(`uuid:${other}`, 'somebody');
    site.provider.issue('good', { expiresAt: hour() });
  });
  afterAll(() => site[Symbol.asyncDispose]());

  const body = { di: lamp, uid: '1', accesstoken: 'good', login: true };

  it('lets a device in that its token lets in, and makes it known to the registry', async () => {
    await using client = await site.connect();
    expect((await send(client, '/oic/sec/session', body)).code).toBe('2.04');
    expect(site.registry.asked.at(-1)).toMatchObject({
      credential: 'token',
      deviceId: `uuid:${lamp}`,
      issuer: 'https://provider.example',
    });
  });

  it('refuses a device of another user before the registry hears of it', async () => {
    const asked = site.registry.asked.length;
    await using client = await site.connect();
    expect(await send(client, '/oic/sec/session', { ...body, di: other })).toMatchObject({
      code: '4.01',
      text: `cannot handle sign in: access to device('${other}') denied`,
    });
    expect(site.registry.asked.length).toBe(asked);
  });

  it('refuses a device that the registry has locked', async () => {
    site.registry.refused.add(`uuid:${lamp}`);
    await using client = await site.connect();
    expect((await send(client, '/oic/sec/session', body)).code).toBe('4.01');
    site.registry.refused.clear();
  });

  it('cuts a device that the registry locks later', async () => {
    await using client = await site.connect();
    await send(client, '/oic/sec/session', body);
    await site.announce(`uuid:${lamp}`, 'locked');
    await client.ended;
    await waitFor(() => site.devices.find(site.uuid(lamp)) === undefined);
  });

  it('takes a newer token of the device on its connection, also one that never ends', async () => {
    await using client = await site.connect();
    await send(client, '/oic/sec/session', body);
    site.provider.issue('endless');
    expect(await send(client, '/oic/sec/session', { ...body, accesstoken: 'endless' })).toMatchObject({
      code: '2.04',
      body: { expiresin: -1 },
    });
  });

  it('keeps a session going with a token that it refreshed, beyond the end of the one before', async () => {
    site.provider.issue('short', { expiresAt: new Date(Date.now() + 123_000) });
    site.provider.issue('long', { expiresAt: hour() });
    site.provider.offer('refresh to long', 'long');
    await using client = await site.connect();
    await send(client, '/oic/sec/session', { ...body, accesstoken: 'short' });
    const asked = site.registry.asked.length;
    const refreshed = await send(client, '/oic/sec/tokenrefresh', { ...body, refreshtoken: 'refresh to long' });
    expect(refreshed.code).toBe('2.04');
    // The listener, which would cut the connection with the old token, knows the new one.
    const told = site.registry.asked
      .slice(asked)
      .map((request) => 'expiresAt' in request && Date.parse(request.expiresAt));
    expect(told.map((expiresAt) => Number(expiresAt) > Date.now() + 3_000_000)).toEqual([true]);
    expect((await client.ask('/elsewhere')).code).toBe('4.04');
  });

  it('keeps a connection to the device that signed in first on it', async () => {
    site.registry.owners.set(`uuid:${other}`, '1');
    await using client = await site.connect();
    await send(client, '/oic/sec/session', body);
    expect((await send(client, '/oic/sec/session', { ...body, di: other })).code).toBe('4.01');
    site.registry.owners.set(`uuid:${other}`, 'somebody');
  });

  it('takes small messages of a device that it does not know, and large ones after its sign-in', async () => {
    // A POST to /x with token ab and 20 000 bytes.
    const large = Buffer.concat([Buffer.from('e14d1602abb178ff', 'hex'), Buffer.alloc(20_000, 'a')]);
    await using client = await site.connect();
    await send(client, '/oic/sec/session', body);
    await client.ask('/x.plgd.dev/time');
    client.socket.write(large);
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
    await using stranger = await site.connect();
    await stranger.opened;
    stranger.socket.write(large);
    expect(await stranger.ended).toBe('aborted-by-peer');
  });

  it('refuses a device id that is no UUID', async () => {
    await using client = await site.connect();
    expect(await send(client, '/oic/sec/session', { ...body, di: 'lamp' })).toMatchObject({
      code: '4.00',
      text: 'cannot handle sign in: invalid device id',
    });
  });
});

describe('a gateway that asks for no certificate, with a claim for the device', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open({
      settings: ['coap.tls.client_certificate_required = false', 'coap.authorization.device_id_claim = "deviceId"'],
    });
    site.registry.owners.set(`uuid:${lamp}`, '1');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  it('lets the device of the token in, whatever the body says', async () => {
    site.provider.issue('of lamp', { deviceIdClaim: lamp });
    await using client = await site.connect();
    const body = { di: other, uid: '1', accesstoken: 'of lamp', login: true };
    expect((await send(client, '/oic/sec/session', body)).code).toBe('2.04');
    expect([...site.devices.all].map(({ device }) => device)).toEqual([lamp]);
  });
});

describe('a gateway that asks for certificate and claim', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open({ settings: ['coap.authorization.device_id_claim = "deviceId"'] });
    site.registry.owners.set(`uuid:${lamp}`, '1').set(`uuid:${other}`, '1');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  const signIn = async (certificate: string, claim: unknown) => {
    site.provider.issue('bound', { deviceIdClaim: claim });
    await using client = await site.connect({ device: await site.device(certificate) });
    const answer = await send(client, '/oic/sec/session', { di: lamp, uid: '1', accesstoken: 'bound', login: true });
    return { ...answer, ended: answer.code === '2.04' ? undefined : await client.ended };
  };

  it.each([
    ['the same device', lamp],
    ['the same device in capitals', lamp.toUpperCase()],
  ])('lets a device in when both name %s', async (_what, claim) => {
    expect((await signIn(lamp, claim)).code).toBe('2.04');
  });

  it('refuses a device with the token of another one, and ends its connection', async () => {
    expect(await signIn(other, lamp)).toMatchObject({
      code: '4.01',
      text: `cannot handle sign in: access token issued to the device ('${lamp}') used by the different device ('${other}')`,
      ended: 'peer-closed',
    });
  });

  it('refuses a device with a token that names none, and ends its connection', async () => {
    expect(await signIn(lamp, undefined)).toMatchObject({
      code: '4.01',
      text: "cannot handle sign in: access token doesn't contain the required device id claim('deviceId')",
      ended: 'peer-closed',
    });
  });

  it.each([
    ['a sign-up', '/oic/sec/account', { accesstoken: 'code', authprovider: 'plgd' }, 'cannot handle sign up'],
    ['a refresh', '/oic/sec/tokenrefresh', { refreshtoken: 'code' }, `cannot handle refresh token for ${lamp}`],
    ['a sign-out', '/oic/sec/session', { accesstoken: 'bound' }, 'cannot handle sign out'],
  ])('refuses %s with the token of another device', async (_what, path, parts, attempt) => {
    site.provider.issue('bound', { deviceIdClaim: lamp });
    site.provider.offer('code', 'bound');
    await using client = await site.connect({ device: await site.device(other) });
    const answer = await send(client, path, { di: lamp, uid: '1', ...parts });
    expect(answer.code).toBe('4.01');
    expect(answer.text).toBe(
      `${attempt}: access token issued to the device ('${lamp}') used by the different device ('${other}')`,
    );
  });
});
