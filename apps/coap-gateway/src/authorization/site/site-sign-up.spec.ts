import { GrantRefused, TokenRefused } from '@sallyport/oidc';
import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../../gateway-site.fixture.js';
import type { TokenProvider } from '../token-provider.js';
import { TestSite } from './site-provider.fixture.js';

const stranger = '00000000-0000-4000-8000-000000000009';

async function openSite() {
  const opened = new AsyncDisposableStack();
  const provider = opened.use(await TestSite.open('SQLite', new TestClock()));
  const site = opened.use(await GatewaySite.open({ authorization: await provider.authorization() }));
  return { provider, site, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** The members of an answer that the test goes on with. */
function textsIn(body: unknown): Readonly<Record<string, string>> {
  const entries = typeof body === 'object' && body !== null ? Object.entries(body) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

describe('a refresh token of a site', () => {
  it('is shown to no other provider, also when the device does not say whose it is', async () => {
    await using provider = await TestSite.open();
    const shown: string[] = [];
    const other: TokenProvider = {
      name: 'other',
      issuer: 'https://login.example',
      verify: () => Promise.reject(new TokenRefused('not valid here')),
      exchange: () => Promise.reject(new GrantRefused('invalid_grant')),
      refresh: (token) => {
        shown.push(token);
        return Promise.reject(new GrantRefused('invalid_grant'));
      },
    };
    const authorization = await provider.authorization([other]);
    const { refreshToken } = await authorization.exchange('site', await provider.code());
    await authorization.refresh(undefined, refreshToken);
    await expect(authorization.refresh(undefined, 'of another provider')).rejects.toMatchObject({ code: '4.01' });
    expect(shown).toEqual(['of another provider']);
  });
});

describe('a device with a code of its site', () => {
  it('signs up, in, refreshes its token, and signs off, without any other provider', async () => {
    await using parts = await openSite();
    const { provider, site } = parts;
    await using client = await site.connect({ device: await site.device() });
    const code = await provider.code();
    const signUp = { di: lamp, accesstoken: code, authprovider: 'site' };
    const signedUp = await send(client, '/oic/sec/account', signUp);
    expect(signedUp).toMatchObject({ code: '2.04', body: { uid: 'alice', expiresin: expect.any(Number) } });
    expect(site.registry.owners.get(`uuid:${lamp}`)).toBe('alice');
    const { accesstoken, refreshtoken } = textsIn(signedUp.body);
    const signIn = { di: lamp, uid: 'alice', accesstoken, login: true };
    expect((await send(client, '/oic/sec/session', signIn)).code).toBe('2.04');
    const refreshed = await send(client, '/oic/sec/tokenrefresh', { di: lamp, uid: 'alice', refreshtoken });
    expect(refreshed.code).toBe('2.04');
    const newer = textsIn(refreshed.body)['accesstoken'];
    expect((await send(client, '/oic/sec/session', { ...signIn, accesstoken: newer })).code).toBe('2.04');
    expect((await client.ask('/oic/sec/account', { method: 'DELETE' })).code).toBe('2.02');
  });

  it('gets the same answer when it signs up again on its connection', async () => {
    await using parts = await openSite();
    const { provider, site } = parts;
    await using client = await site.connect({ device: await site.device() });
    const signUp = { di: lamp, accesstoken: await provider.code(), authprovider: 'site' };
    const first = await send(client, '/oic/sec/account', signUp);
    expect(await send(client, '/oic/sec/account', signUp)).toEqual(first);
  });

  it('cannot use the code of another device, with whatever id in its request', async () => {
    await using parts = await openSite();
    const { provider, site } = parts;
    await using client = await site.connect({ device: await site.device(stranger) });
    const signUp = { di: lamp, accesstoken: await provider.code(), authprovider: 'site' };
    expect(await send(client, '/oic/sec/account', signUp)).toMatchObject({
      code: '4.01',
      text: `cannot handle sign up: access token issued to the device ('${lamp}') used by the different device ('${stranger}')`,
    });
    expect(site.registry.owners.size).toBe(0);
  });

  it('loses nothing when another device shows its code and its refresh token', async () => {
    await using parts = await openSite();
    const { provider, site } = parts;
    await using client = await site.connect({ device: await site.device() });
    const signUp = { di: lamp, accesstoken: await provider.code(), authprovider: 'site' };
    const {
      uid = '',
      accesstoken = '',
      refreshtoken = '',
    } = textsIn((await send(client, '/oic/sec/account', signUp)).body);
    const next = { ...signUp, accesstoken: await provider.code() };
    for (const [path, body] of [
      ['/oic/sec/account', next],
      ['/oic/sec/tokenrefresh', { di: lamp, uid, refreshtoken }],
    ] as const) {
      await using other = await site.connect({ device: await site.device(stranger) });
      expect((await send(other, path, body)).code).toBe('4.01');
    }
    expect((await send(client, '/oic/sec/session', { di: lamp, uid, accesstoken, login: true })).code).toBe('2.04');
    expect((await send(client, '/oic/sec/account', next)).code).toBe('2.04');
  });
});
