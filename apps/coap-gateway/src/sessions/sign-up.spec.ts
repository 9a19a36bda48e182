import type { CoapClient } from '@sallyport/coap-wire/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

describe('the sign-up of a device', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open();
  });
  afterAll(() => site[Symbol.asyncDispose]());

  const connect = async (): Promise<CoapClient> => site.connect({ device: await site.device() });

  it.each([
    ['nothing', {}, '4.00', 'cannot handle sign up: invalid device id'],
    ['no code', { di: lamp }, '4.00', 'cannot handle sign up: invalid authorization code'],
    ['an empty code', { di: lamp, accesstoken: '' }, '4.00', 'cannot handle sign up: invalid authorization code'],
    ['a number as its code', { di: lamp, accesstoken: 123 }, '4.00', /^cannot handle sign up: cbor: cannot unmarshal/],
    ['no map', ['di'], '4.00', /^cannot handle sign up: cbor: cannot unmarshal/],
    [
      'an unknown provider',
      { di: lamp, accesstoken: 'code', authprovider: 'test' },
      '4.01',
      'cannot handle sign up: unknown authorization provider',
    ],
    ['no provider', { di: lamp, accesstoken: 'code' }, '4.01', 'cannot handle sign up: unknown authorization provider'],
    [
      'a code that the provider refuses',
      { di: lamp, accesstoken: 'wrong', authprovider: 'plgd' },
      '4.01',
      'cannot handle sign up: the provider refuses the code',
    ],
  ])('with %s is refused, and the connection ends', async (_what, body, code, text) => {
    await using client = await connect();
    const answer = await send(client, '/oic/sec/account', body);
    expect(answer.code).toBe(code);
    expect(answer.text).toMatch(text);
    expect(await client.ended).toBe('peer-closed');
  });

  it('gives tokens for a code, makes its user the owner, and does not sign in', async () => {
    await using client = await connect();
    site.provider.issue('access', { expiresAt: new Date(Date.now() + 3_600_500) });
    site.provider.offer('code', 'access', 'refresh');
    const answer = await send(client, '/oic/sec/account', { di: lamp, accesstoken: 'code', authprovider: 'plgd' });
    expect(answer).toMatchObject({
      code: '2.04',
      body: { accesstoken: 'access', uid: '1', refreshtoken: 'refresh', redirecturi: '', expiresin: 3600 },
    });
    expect(site.registry.owners.get(`uuid:${lamp}`)).toBe('1');
    expect((await send(client, '/oic/rd', {})).code).toBe('4.01');
  });

  it('takes the code under the name that older devices give it', async () => {
    await using client = await connect();
    site.provider.issue('older');
    site.provider.offer('older code', 'older');
    const body = { di: lamp, authcode: 'older code', authprovider: 'plgd', granttype: 'authorization_code' };
    expect(await send(client, '/oic/sec/account', body)).toMatchObject({ code: '2.04', body: { expiresin: -1 } });
  });

  it('is the same again for the same code on one connection', async () => {
    await using client = await connect();
    site.provider.issue('again');
    site.provider.offer('single-use', 'again');
    const body = { di: lamp, accesstoken: 'single-use', authprovider: 'plgd' };
    const answers = [await send(client, '/oic/sec/account', body), await send(client, '/oic/sec/account', body)];
    answers.push(await send(client, '/oic/sec/account', body));
    expect(answers.map(({ code }) => code)).toEqual(['2.04', '2.04', '2.04']);
  });

  it('of a device that another user owns is refused', async () => {
    const uuid = '00000000-0000-4000-8000-000000000001';
    site.registry.owners.set(`uuid:${uuid}`, 'somebody');
    await using client = await site.connect({ device: await site.device(uuid) });
    site.provider.issue('mine');
    site.provider.offer('my code', 'mine');
    const answer = await send(client, '/oic/sec/account', { di: uuid, accesstoken: 'my code', authprovider: 'plgd' });
    expect(answer).toMatchObject({
      code: '4.01',
      text: 'cannot handle sign up: the device is owned by another user',
    });
    expect(site.registry.owners.get(`uuid:${uuid}`)).toBe('somebody');
  });

  it('is to be tried again later, and is no refusal, when the owner brings too many new devices', async () => {
    await using client = await connect();
    site.provider.issue('hurried');
    site.provider.offer('hurried code', 'hurried');
    site.registry.hasTooManyNewDevices = true;
    const body = { di: lamp, accesstoken: 'hurried code', authprovider: 'plgd' };
    const { code } = await send(client, '/oic/sec/account', body).finally(() => {
      site.registry.hasTooManyNewDevices = false;
    });
    expect(code).toBe('4.29');
  });

  it('registers the device of the certificate, whatever the body says', async () => {
    const [uuid, other] = ['00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003'];
    await using client = await site.connect({ device: await site.device(uuid) });
    site.provider.issue('body');
    site.provider.offer('body code', 'body');
    const answer = await send(client, '/oic/sec/account', {
      di: other,
      accesstoken: 'body code',
      authprovider: 'plgd',
    });
    expect(answer.code).toBe('2.04');
    expect([site.registry.owners.has(`uuid:${uuid}`), site.registry.owners.has(`uuid:${other}`)]).toEqual([
      true,
      false,
    ]);
  });

  it('with a token that has expired already is refused', async () => {
    await using client = await connect();
    site.provider.issue('old', { expiresAt: new Date(Date.now() - 1000) });
    site.provider.offer('old code', 'old');
    const answer = await send(client, '/oic/sec/account', { di: lamp, accesstoken: 'old code', authprovider: 'plgd' });
    expect(answer).toMatchObject({ code: '4.01', text: 'cannot handle sign up: expired access token' });
  });

  it('waits for better times while the provider or the registry does not answer', async () => {
    site.provider.issue('later');
    const body = { di: lamp, accesstoken: 'later code', authprovider: 'plgd' };
    site.provider.isDown = true;
    await using first = await connect();
    const answer = await send(first, '/oic/sec/account', body);
    site.provider.isDown = false;
    expect(answer).toMatchObject({
      code: '5.03',
      text: 'temporary error: cannot handle sign up: the provider does not answer',
    });
    site.provider.offer('later code', 'later');
    site.registry.isDown = true;
    await using second = await connect();
    const other = await send(second, '/oic/sec/account', body);
    site.registry.isDown = false;
    expect(other).toMatchObject({
      code: '5.03',
      text: 'temporary error: cannot handle sign up: the device registry does not answer',
    });
  });

  it('that wants its answer in a format that we do not have creates nothing', async () => {
    const uuid = '00000000-0000-4000-8000-000000000004';
    await using client = await site.connect({ device: await site.device(uuid) });
    site.provider.issue('format');
    site.provider.offer('format code', 'format');
    const exchanges = site.provider.exchanges;
    const body = { di: uuid, accesstoken: 'format code', authprovider: 'plgd' };
    expect((await send(client, '/oic/sec/account', body, { accept: 40 })).code).toBe('4.06');
    expect([site.provider.exchanges, site.registry.owners.has(`uuid:${uuid}`)]).toEqual([exchanges, false]);
  });

  it.each(['GET', 'PUT'] as const)('answers 4.04 to %s', async (method) => {
    await using client = await connect();
    expect((await send(client, '/oic/sec/account', {}, { method })).code).toBe('4.04');
    expect(await client.ended).toBe('peer-closed');
  });
});
