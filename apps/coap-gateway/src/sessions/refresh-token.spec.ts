import type { CoapClient } from '@sallyport/coap-wire/testing';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

describe('the refresh of an access token', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open();
    site.registry.owners.set(`uuid:${lamp}`, '1');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  const connect = async (): Promise<CoapClient> => site.connect({ device: await site.device() });
  const refresh = (client: CoapClient, body: object) => send(client, '/oic/sec/tokenrefresh', body);

  it.each([
    ['nothing', {}, '4.00', 'cannot handle refresh token for unknown: invalid deviceID'],
    [
      'a number as its token',
      { di: lamp, uid: '1', refreshtoken: 123 },
      '4.00',
      /^cannot handle refresh token for unknown: cbor: cannot unmarshal/,
    ],
    [
      'no user',
      { di: lamp, refreshtoken: 'refresh' },
      '4.00',
      `cannot handle refresh token for ${lamp}: invalid userId`,
    ],
    ['no token', { di: lamp, uid: '1' }, '4.00', `cannot handle refresh token for ${lamp}: invalid refreshToken`],
    [
      'a token that the provider refuses',
      { di: lamp, uid: '1', refreshtoken: 'wrong' },
      '4.01',
      `cannot handle refresh token for ${lamp}: the provider refuses the code`,
    ],
  ])('with %s is refused, and the connection ends', async (_what, body, code, text) => {
    await using client = await connect();
    const answer = await refresh(client, body);
    expect(answer.code).toBe(code);
    expect(answer.text).toMatch(text);
    expect(await client.ended).toBe('peer-closed');
  });

  it('gives a new token for its whole life, and does not sign in', async () => {
    await using client = await connect();
    site.provider.issue('next', { expiresAt: new Date(Date.now() + 3_600_900) });
    site.provider.offer('first refresh', 'next', 'second refresh');
    expect(await refresh(client, { di: lamp, uid: '1', refreshtoken: 'first refresh' })).toMatchObject({
      code: '2.04',
      body: { accesstoken: 'next', refreshtoken: 'second refresh', expiresin: 3600 },
    });
    expect((await send(client, '/oic/rd', {})).code).toBe('4.01');
  });

  it('is the same again for the same token on one connection', async () => {
    await using client = await connect();
    site.provider.issue('again');
    site.provider.offer('single-use', 'again');
    const body = { di: lamp, uid: '1', refreshtoken: 'single-use', authprovider: 'plgd' };
    const answers = [await refresh(client, body), await refresh(client, body), await refresh(client, body)];
    expect(answers.map(({ code }) => code)).toEqual(['2.04', '2.04', '2.04']);
  });

  it('keeps a session of the same user going, without a new one', async () => {
    await using client = await site.signedIn();
    const session = site.devices.find(site.uuid(lamp));
    for (const turn of ['1', '2', '3']) {
      site.provider.issue(`token ${turn}`);
      site.provider.offer(`refresh ${turn}`, `token ${turn}`);
      expect((await refresh(client, { di: lamp, uid: '1', refreshtoken: `refresh ${turn}` })).code).toBe('2.04');
      const body = { di: lamp, uid: '1', accesstoken: `token ${turn}`, login: true };
      expect((await send(client, '/oic/sec/session', body)).code).toBe('2.04');
    }
    expect(site.devices.find(site.uuid(lamp))).toBe(session);
    expect(session?.signal.aborted).toBe(false);
  });

  it('ends a session with the new token, when that expires', async () => {
    await using client = await site.signedIn();
    site.provider.issue('short', { expiresAt: new Date(Date.now() + 2_000) });
    site.provider.offer('refresh to short', 'short');
    expect((await refresh(client, { di: lamp, uid: '1', refreshtoken: 'refresh to short' })).code).toBe('2.04');
    expect(await client.ended).toBe('aborted-by-peer');
    await waitFor(() => site.devices.find(site.uuid(lamp)) === undefined);
  });

  it('of a device that the user does not own is refused', async () => {
    await using client = await connect();
    site.provider.issue('foreign', { owner: '2' });
    site.provider.offer('foreign refresh', 'foreign');
    expect(await refresh(client, { di: lamp, uid: '2', refreshtoken: 'foreign refresh' })).toMatchObject({
      code: '4.01',
      text: `cannot handle refresh token for ${lamp}: access to device('${lamp}') denied`,
    });
  });

  it('waits for better times while the provider does not answer', async () => {
    await using client = await connect();
    site.provider.isDown = true;
    const answer = await refresh(client, { di: lamp, uid: '1', refreshtoken: 'any' });
    site.provider.isDown = false;
    expect(answer).toMatchObject({
      code: '5.03',
      text: `temporary error: cannot handle refresh token for ${lamp}: the provider does not answer`,
    });
  });
});
