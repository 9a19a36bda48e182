import { describe, expect, it, onTestFinished } from 'vitest';
import { startProvider } from './oidc.fixture.js';
import { GrantRefused, ProviderUnavailable } from './outcomes.js';
import { type ClientCredentials, requestTokens } from './token-endpoint.js';

async function startClient() {
  const { provider, issuer } = await startProvider(onTestFinished);
  const { id, secret, redirectUri } = provider.client;
  const ask = async (form: Readonly<Record<string, string>>, client: ClientCredentials = { id, secret }) =>
    requestTokens(await issuer.describe(), { client, form, deadlineMs: 500 });
  const exchange = (code: string) => ask({ grant_type: 'authorization_code', code, redirect_uri: redirectUri });
  const refresh = (token: string) => ask({ grant_type: 'refresh_token', refresh_token: token });
  return { provider, issuer, ask, exchange, refresh };
}

describe('the token endpoint', () => {
  it('gives tokens for an authorization code, and new ones for their refresh token', async () => {
    const { provider, issuer, exchange, refresh } = await startClient();
    const first = await exchange(await provider.codeFor('1', { deviceId: 'x' }));
    const second = await refresh(first.refreshToken ?? '');
    const rules = { audience: 'sallyport', requiredClaims: ['sub'] };
    expect(await issuer.verify(first.accessToken, rules)).toMatchObject({ sub: '1', deviceId: 'x' });
    expect(await issuer.verify(second.accessToken, rules)).toMatchObject({ sub: '1' });
    expect(second.refreshToken).not.toBe(first.refreshToken);
  });

  it('refuses a code that was used, for good', async () => {
    const { provider, exchange } = await startClient();
    const code = await provider.codeFor('1');
    await exchange(code);
    await expect(exchange(code)).rejects.toThrow(GrantRefused);
  });

  it.each(['nonsense', ''])('refuses the refresh token %j for good', async (token) => {
    const { refresh } = await startClient();
    await expect(refresh(token)).rejects.toThrow(GrantRefused);
  });

  it('does not refuse for good when it is this client that it does not know', async () => {
    const { provider, ask } = await startClient();
    const code = await provider.codeFor('1');
    const form = { grant_type: 'authorization_code', code, redirect_uri: provider.client.redirectUri };
    const asking = ask(form, { id: provider.client.id, secret: 'wrong' });
    await expect(asking).rejects.toThrow(ProviderUnavailable);
    await expect(asking).rejects.toThrow('answers 401 (invalid_client)');
  });

  it.each([503, 429, 0])('does not refuse for good when it answers %i', async (outage) => {
    const { provider, issuer, exchange } = await startClient();
    await issuer.describe();
    const code = await provider.codeFor('1');
    provider.outage = outage;
    await expect(exchange(code)).rejects.toThrow(ProviderUnavailable);
  });

  it('never repeats a code in an error', async () => {
    const { exchange } = await startClient();
    const refusal = await exchange('a-secret-code').catch((error: unknown) => error);
    expect(String(refusal)).toBe('Error: the provider answers invalid_grant');
  });
});
