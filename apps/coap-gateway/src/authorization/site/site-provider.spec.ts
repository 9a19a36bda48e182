import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { GrantRefused, ProviderUnavailable, TokenRefused } from '@sallyport/oidc';
import { decodeJwt, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lamp, TestSite } from './site-provider.fixture.js';
import type { SiteProvider } from './site-provider.js';
import { openTokenKey } from './token-key.js';

describe.each(['SQLite', 'Redis'] as const)('the provider of a site, with its store on %s', (engine) => {
  let site: TestSite;
  let gateway: SiteProvider;
  beforeEach(async () => {
    site = await TestSite.open(engine);
    gateway = await site.gateway();
  });
  afterEach(() => site[Symbol.asyncDispose]());

  const begun = async () => gateway.exchange(await site.code());
  const renewed = (token: string | undefined) => gateway.refresh(token ?? '');

  it('gives tokens for a code, which say owner and device', async () => {
    const { accessToken } = await begun();
    expect(await gateway.verify(accessToken)).toMatchObject({
      iss: 'urn:sallyport:coap-gateway',
      sub: 'alice',
      device_id: lamp,
      exp: new Date('2026-06-01T13:00:00Z').getTime() / 1000,
    });
  });

  it('takes a code once, also when two come at the same time', async () => {
    const code = await site.code();
    const outcomes = await Promise.allSettled([gateway.exchange(code), gateway.exchange(code)]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await expect(gateway.exchange(code)).rejects.toThrow(GrantRefused);
  });

  it('takes no code after ten minutes', async () => {
    const code = await site.code();
    site.clock.advance(600);
    await expect(gateway.exchange(code)).rejects.toThrow(GrantRefused);
  });

  it.each(['', 'x', 'x'.repeat(10_000), '../site-grants/', '\u0000'])(
    'takes no code that it did not give: %j',
    async (code) => {
      await expect(gateway.exchange(code)).rejects.toThrow(GrantRefused);
      await expect(gateway.refresh(code)).rejects.toThrow(GrantRefused);
      await expect(gateway.refresh(`${lamp}.${code}`)).rejects.toThrow(GrantRefused);
    },
  );

  it('keeps neither codes nor refresh tokens, only their digests', async () => {
    const code = await site.code('bob', lamp);
    const { refreshToken = '' } = await begun();
    const kept = JSON.stringify((await site.store.list('')).entries);
    expect(kept).not.toContain(code);
    expect(kept).not.toContain(refreshToken.split('.')[1]);
  });

  it('gives a new refresh token each time', async () => {
    const first = await begun();
    const second = await renewed(first.refreshToken);
    const third = await renewed(second.refreshToken);
    expect(new Set([first.refreshToken, second.refreshToken, third.refreshToken]).size).toBe(3);
    expect(await gateway.verify(third.accessToken)).toMatchObject({ sub: 'alice', device_id: lamp });
  });

  it('takes a refresh token again while the one after it is not used: the device may have missed the answer', async () => {
    const first = await begun();
    await renewed(first.refreshToken);
    const again = await renewed(first.refreshToken);
    expect((await renewed(again.refreshToken)).refreshToken).toBeDefined();
  });

  it('ends all tokens of a device when an older refresh token comes back', async () => {
    const first = await begun();
    const second = await renewed(first.refreshToken);
    const third = await renewed(second.refreshToken);
    await expect(renewed(first.refreshToken)).rejects.toThrow(GrantRefused);
    await expect(renewed(third.refreshToken)).rejects.toThrow(GrantRefused);
    await expect(gateway.verify(third.accessToken)).rejects.toThrow(TokenRefused);
    expect(site.robbed).toEqual([lamp]);
  });

  it('ends nothing when a refresh token comes that it never gave', async () => {
    const first = await begun();
    await expect(renewed(`${lamp}.${'x'.repeat(20)}`)).rejects.toThrow(GrantRefused);
    expect((await renewed(first.refreshToken)).refreshToken).toBeDefined();
  });

  it('renews one grant at a time, whatever the device sends at once', async () => {
    const { refreshToken } = await begun();
    const renewals = await Promise.all(Array.from({ length: 5 }, () => renewed(refreshToken)));
    expect(new Set(renewals.map((each) => each.refreshToken)).size).toBe(5);
  });

  it('ends the tokens of a device with a new code for it', async () => {
    const former = await begun();
    await gateway.exchange(await site.code('bob'));
    await expect(gateway.verify(former.accessToken)).rejects.toThrow(TokenRefused);
    await expect(renewed(former.refreshToken)).rejects.toThrow(GrantRefused);
  });

  it('ends the tokens of a device that gets another owner, or none', async () => {
    const tokens = await begun();
    await site.grants.end(lamp, 'bob');
    expect(await gateway.verify(tokens.accessToken)).toMatchObject({ sub: 'alice' });
    await site.grants.end(lamp, 'alice');
    await expect(gateway.verify(tokens.accessToken)).rejects.toThrow(TokenRefused);
    await expect(renewed(tokens.refreshToken)).rejects.toThrow(GrantRefused);
  });

  it('knows the tokens of all its gateways, each with a key of its own', async () => {
    const other = await site.gateway(`${site.keyFile}-other`);
    const { accessToken, refreshToken } = await begun();
    expect(await other.verify(accessToken)).toMatchObject({ sub: 'alice' });
    const renewal = await other.refresh(refreshToken ?? '');
    expect(await gateway.verify(renewal.accessToken)).toMatchObject({ sub: 'alice' });
  });
});

describe('an access token of a site', () => {
  let site: TestSite;
  let gateway: SiteProvider;
  beforeEach(async () => {
    site = await TestSite.open();
    gateway = await site.gateway();
  });
  afterEach(() => site[Symbol.asyncDispose]());

  it('counts no longer when its key was not announced for long', async () => {
    const other = await site.gateway(`${site.keyFile}-other`);
    site.clock.advance(7100);
    const { accessToken } = await gateway.exchange(await site.code());
    expect(await other.verify(accessToken)).toMatchObject({ sub: 'alice' });
    site.clock.advance(101);
    await expect(other.verify(accessToken)).rejects.toThrow(TokenRefused);
  });

  it('expires', async () => {
    const { accessToken } = await gateway.exchange(await site.code());
    site.clock.advance(3600);
    await expect(gateway.verify(accessToken)).rejects.toMatchObject({ reason: 'expired' });
  });

  it('that another key signed is refused', async () => {
    const { accessToken } = await gateway.exchange(await site.code());
    const { kid } = await openTokenKey(site.keyFile);
    const { privateKey } = await openTokenKey(`${site.keyFile}-foreign`);
    const forged = await new SignJWT(decodeJwt(accessToken)).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
    await expect(gateway.verify(forged)).rejects.toThrow(TokenRefused);
  });

  it.each(['unknown', '', 'x'.repeat(5000), '../site-codes/x'])('that names the key %j is refused', async (kid) => {
    const { privateKey } = await openTokenKey(site.keyFile);
    const { accessToken } = await gateway.exchange(await site.code());
    const forged = await new SignJWT(decodeJwt(accessToken)).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
    await expect(gateway.verify(forged)).rejects.toThrow(TokenRefused);
  });

  it('with the claims of another device is refused', async () => {
    const { accessToken } = await gateway.exchange(await site.code());
    const { kid, privateKey } = await openTokenKey(site.keyFile);
    const claims = { ...decodeJwt(accessToken), device_id: '00000000-0000-4000-8000-000000000009' };
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
    await expect(gateway.verify(forged)).rejects.toThrow(TokenRefused);
  });

  it('says nothing about itself while the store does not answer', async () => {
    const { accessToken } = await gateway.exchange(await site.code());
    await site.store.close();
    await expect(gateway.verify(accessToken)).rejects.toThrow(ProviderUnavailable);
  });
});

describe('the key of a gateway for access tokens', () => {
  it('is in a file that only its owner can read, and is made once', async () => {
    await using site = await TestSite.open();
    const { kid } = await openTokenKey(site.keyFile);
    expect((await openTokenKey(site.keyFile)).kid).toBe(kid);
    expect((await stat(site.keyFile)).mode & 0o777).toBe(0o600);
    expect(await readFile(site.keyFile, 'utf8')).toContain('BEGIN PRIVATE KEY');
  });

  it('is another one after its file was removed', async () => {
    await using site = await TestSite.open();
    const { kid } = await openTokenKey(site.keyFile);
    await rm(site.keyFile);
    expect((await openTokenKey(site.keyFile)).kid).not.toBe(kid);
  });

  it('is not made anew when its file is damaged', async () => {
    await using site = await TestSite.open();
    await openTokenKey(site.keyFile);
    await writeFile(site.keyFile, 'damaged');
    await expect(openTokenKey(site.keyFile)).rejects.toThrow(
      `Remove ${site.keyFile}, and the gateway makes a new one.`,
    );
  });
});
