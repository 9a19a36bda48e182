import { describe, expect, it, onTestFinished } from 'vitest';
import { startProvider } from './oidc.fixture.js';
import { ProviderUnavailable, TokenRefused } from './outcomes.js';

const rules = { audience: undefined, requiredClaims: [] };

describe('a token', () => {
  it('of the provider is verified, and its claims are returned', async () => {
    const { provider, issuer } = await startProvider(onTestFinished);
    const token = await provider.tokenFor({ deviceId: 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5' });
    expect(await issuer.verify(token, { ...rules, audience: 'sallyport' })).toMatchObject({
      sub: 'the-person',
      deviceId: 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5',
    });
  });

  it.each([
    ['has expired', { expiresIn: -6 }, 'expired'],
    ['is of another issuer', { issuer: 'https://login.example' }, 'not valid here'],
    ['is signed with another key of the same name', { isForeign: true }, 'not valid here'],
    ['is not signed', { algorithm: 'none' }, 'not valid here'],
    ['takes the public key for a shared secret', { algorithm: 'HS256' }, 'not valid here'],
    ['is not valid yet', { notBeforeIn: 60 }, 'not valid here'],
  ] as const)('that %s is refused', async (_title, flaw, reason) => {
    const { issuer, forge } = await startProvider(onTestFinished);
    await expect(issuer.verify(await forge(flaw), rules)).rejects.toMatchObject({ reason });
  });

  it('from the future is refused where that is asked for', async () => {
    const { issuer, forge } = await startProvider(onTestFinished);
    const token = await forge({ issuedIn: 60 });
    await expect(issuer.verify(token, { ...rules, refusesFuture: true })).rejects.toThrow(TokenRefused);
    expect(await issuer.verify(token, rules)).toMatchObject({ sub: 'the-person' });
  });

  it('for another audience is refused only where an audience is set', async () => {
    const { issuer, forge } = await startProvider(onTestFinished);
    const token = await forge({ audience: 'another-api' });
    await expect(issuer.verify(token, { ...rules, audience: 'sallyport' })).rejects.toThrow(TokenRefused);
    expect(await issuer.verify(token, rules)).toMatchObject({ aud: 'another-api' });
  });

  it('without a claim that is required is refused', async () => {
    const { issuer, forge } = await startProvider(onTestFinished);
    const verifying = issuer.verify(await forge({}), { ...rules, requiredClaims: ['owner'] });
    await expect(verifying).rejects.toThrow(TokenRefused);
  });

  it.each(['', 'x', 'a.b.c', `${'x'.repeat(10_000)}.y.z`])('that is only %j is refused', async (text) => {
    const { issuer } = await startProvider(onTestFinished);
    await expect(issuer.verify(text, rules)).rejects.toThrow(TokenRefused);
  });
});

describe('the keys of a provider', () => {
  it('may change: a token that names the new key costs one fetch', async () => {
    const { provider, issuer } = await startProvider(onTestFinished);
    await issuer.verify(await provider.tokenFor({}), rules);
    await provider.changeKey();
    const token = await provider.tokenFor({});
    const verified = await Promise.all(Array.from({ length: 10 }, () => issuer.verify(token, rules)));
    expect(verified).toHaveLength(10);
    expect(provider.keyFetches).toBe(2);
  });

  it('are fetched at most once in 30 s for tokens that name unknown keys', async () => {
    const { provider, issuer, clock, forge } = await startProvider(onTestFinished);
    await issuer.verify(await forge({}), rules);
    for (let second = 0; second < 60; second += 1) {
      const token = await forge({ kid: `unknown-${second}`, issuedIn: -600 });
      await expect(issuer.verify(token, rules)).rejects.toThrow(TokenRefused);
      clock.ms += 1000;
    }
    expect(provider.keyFetches).toBe(1 + 2);
  });

  it('may have changed a moment ago: a token newer than the last fetch is not refused for good', async () => {
    const { issuer, forge } = await startProvider(onTestFinished);
    await issuer.verify(await forge({}), rules);
    const token = await forge({ kid: 'newer', issuedIn: 0 });
    await expect(issuer.verify(token, rules)).rejects.toThrow(TokenRefused);
    await expect(issuer.verify(token, rules)).rejects.toThrow(ProviderUnavailable);
  });

  it('are fetched again after ten minutes, and used for an hour while the provider is down', async () => {
    const { provider, issuer, clock, forge } = await startProvider(onTestFinished);
    await issuer.verify(await forge({}), rules);
    clock.ms += 600_000;
    await issuer.verify(await forge({}), rules);
    expect(provider.keyFetches).toBe(2);
    provider.outage = 503;
    clock.ms += 3_599_000;
    expect(await issuer.verify(await forge({}), rules)).toMatchObject({ sub: 'the-person' });
    clock.ms += 31_000;
    await expect(issuer.verify(await forge({}), rules)).rejects.toThrow(ProviderUnavailable);
  });
});

describe('a provider that is down', () => {
  it.each([
    ['answers with an error', 503],
    ['does not answer', 0],
  ])('and %s makes no token invalid', async (_title, outage) => {
    const { provider, issuer, forge } = await startProvider(onTestFinished);
    provider.outage = outage;
    await expect(issuer.verify(await forge({}), rules)).rejects.toThrow(ProviderUnavailable);
  });

  it('is asked again after a pause, and not for each token', async () => {
    const { provider, issuer, clock, forge } = await startProvider(onTestFinished);
    provider.outage = 503;
    const token = await forge({});
    for (let attempt = 0; attempt < 20; attempt += 1)
      await expect(issuer.verify(token, rules)).rejects.toThrow(ProviderUnavailable);
    expect(provider.requests).toHaveLength(1);
    provider.outage = undefined;
    clock.ms += 500;
    expect(await issuer.verify(token, rules)).toMatchObject({ sub: 'the-person' });
  });
});
