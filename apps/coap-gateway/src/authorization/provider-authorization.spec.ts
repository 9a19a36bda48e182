import { describe, expect, it, onTestFinished } from 'vitest';
import { refusalOf, startAuthorization } from './authorization.fixture.js';
import { RememberedGrants } from './remembered-grants.js';

const device = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const start = (settings: Parameters<typeof startAuthorization>[1] = {}) => startAuthorization(onTestFinished, settings);

describe('an access token', () => {
  it('says owner, device, issuer and end', async () => {
    const { provider, authorization } = await start();
    provider.tokenLifetimeSeconds = 3600;
    const token = await provider.tokenFor({ deviceId: device });
    const access = await authorization.verify(token);
    expect(access).toMatchObject({ owner: 'the-person', deviceIdClaim: device, issuer: provider.issuer });
    expect(access.id).toMatch(/^[\w-]{20,}$/);
    expect(Math.abs((access.expiresAt?.getTime() ?? 0) - Date.now() - 3_600_000)).toBeLessThan(10_000);
  });

  it.each([
    ['that is no token', '123', 'cannot parse access token'],
    ['of another issuer', { issuer: 'https://login.example' }, 'access token is refused: it is of an unknown issuer'],
    ['that has expired', { expiresIn: -60 }, 'access token is refused: it has expired'],
    ['that is not valid yet', { notBeforeIn: 60 }, 'access token is refused: it is not valid here'],
    ['that was issued in the future', { issuedIn: 60 }, 'access token is refused: it is not valid here'],
    ['for another audience', { audience: 'other' }, 'access token is refused: it is not valid here'],
    ['signed by somebody else', { isForeign: true }, 'access token is refused: it is not valid here'],
    ['that is not signed', { algorithm: 'none' }, 'access token is refused: it is not valid here'],
    ['signed with a public key as a secret', { algorithm: 'HS256' }, 'access token is refused: it is not valid here'],
    ['signed with a key of an unknown name', { kid: 'x' }, 'access token is refused: it is not valid here'],
  ] as const)('%s is refused for good', async (_title, flaw, text) => {
    const { provider, authorization } = await start();
    const token = typeof flaw === 'string' ? flaw : await provider.forge({}, { now: new Date(), ...flaw });
    expect(await refusalOf(authorization.verify(token))).toBe(`4.01 ${text}`);
  });

  it.each([
    ['without an owner', {}, '4.01 cannot determine owner'],
    ['with an empty owner', { owner: '' }, '4.01 cannot determine owner'],
    ['with a number for owner', { owner: 42 }, "4.01 access token has an invalid type of the owner claim('owner')"],
    ['with an owner', { owner: '1' }, 'answered'],
  ])('%s: %j', async (_title, claims, outcome) => {
    const { provider, authorization } = await start({ ownerClaim: 'owner' });
    expect(await refusalOf(authorization.verify(await provider.tokenFor(claims)))).toBe(outcome);
  });

  it('signed with a new key costs the provider one fetch', async () => {
    const { provider, authorization } = await start();
    await authorization.verify(await provider.tokenFor({}));
    await provider.changeKey();
    expect(await authorization.verify(await provider.tokenFor({}))).toMatchObject({ owner: 'the-person' });
    expect(provider.keyFetches).toBe(2);
  });

  it('is refused for now, and not for good, while its provider is down', async () => {
    const { provider, authorization, faults } = await start();
    const token = await provider.tokenFor({});
    provider.outage = 503;
    expect(await refusalOf(authorization.verify(token))).toBe(
      "5.03 temporary error: ServiceUnavailable: authorization provider 'plant' cannot be asked",
    );
    expect(faults.map(String)).toEqual([expect.stringContaining('answers 503')]);
  });
});

describe('an authorization code', () => {
  it('gives an access token and a refresh token', async () => {
    const { provider, authorization } = await start();
    const tokens = await authorization.exchange('plant', await provider.codeFor('1', { deviceId: device }));
    expect(tokens.access).toMatchObject({ owner: '1', deviceIdClaim: device });
    expect(tokens.refreshToken).not.toBe('');
  });

  it.each(['test', ''])('of the provider %j, which nobody knows, is refused', async (name) => {
    const { authorization } = await start();
    expect(await refusalOf(authorization.exchange(name, 'x'))).toBe('4.01 unknown authorization provider');
  });

  it('that the provider refuses is refused for good, and not repeated', async () => {
    const { authorization } = await start();
    expect(await refusalOf(authorization.exchange('plant', 'a-secret-code'))).toBe(
      "4.01 authorization provider 'plant' refuses: invalid_grant",
    );
  });

  it.each([0, 503])('is refused for now when the provider answers %i', async (outage) => {
    const { provider, authorization } = await start();
    const code = await provider.codeFor('1');
    provider.outage = outage;
    expect(await refusalOf(authorization.exchange('plant', code))).toBe(
      "5.03 temporary error: ServiceUnavailable: authorization provider 'plant' cannot be asked",
    );
  });

  it('may be a token of the provider, with client credentials', async () => {
    const { provider, authorization } = await start({ ownerClaim: 'owner' });
    const code = await provider.tokenFor({ owner: '1', deviceId: device });
    const tokens = await authorization.exchange('line', code);
    expect(tokens.access).toMatchObject({ owner: '1', deviceIdClaim: device });
    expect(tokens.refreshToken).toBe(tokens.accessToken);
    expect(await authorization.refresh('line', tokens.refreshToken)).toMatchObject({ access: { owner: '1' } });
  });

  it('that stands for client credentials and is no token is refused for good', async () => {
    const { authorization } = await start({ ownerClaim: 'owner' });
    expect(await refusalOf(authorization.exchange('line', 'x'))).toBe(
      '4.01 access token is refused: it is not valid here',
    );
  });
});

describe('a refresh token', () => {
  it('gives new tokens, also when the device does not say of which provider it is', async () => {
    const { provider, authorization } = await start();
    const first = await authorization.exchange('plant', await provider.codeFor('1'));
    const second = await authorization.refresh('plant', first.refreshToken);
    const third = await authorization.refresh(undefined, second.refreshToken);
    expect(third.access.owner).toBe('1');
  });

  it('that no provider takes is refused for good, and for now while one of them is down', async () => {
    const { provider, authorization } = await start();
    expect(await refusalOf(authorization.refresh(undefined, 'x'))).toMatch(/^4\.01 /);
    provider.outage = 503;
    expect(await refusalOf(authorization.refresh(undefined, 'x'))).toMatch(/^5\.03 temporary error: /);
  });

  it('of an unknown provider is refused', async () => {
    const { authorization } = await start();
    expect(await refusalOf(authorization.refresh('test', 'x'))).toBe('4.01 unknown authorization provider');
  });
});

describe('a request that a device repeats on its connection', () => {
  it('gets the same tokens for a code that counts once, also while the first still runs', async () => {
    const { provider, authorization } = await start();
    const grants = new RememberedGrants(authorization);
    const code = await provider.codeFor('1');
    const [first, second] = await Promise.all([grants.exchange('plant', code), grants.exchange('plant', code)]);
    expect(second).toBe(first);
    expect(await grants.exchange('plant', code)).toBe(first);
    expect(provider.requests.filter((path) => path === '/token')).toHaveLength(1);
  });

  it('gets the same tokens for a refresh token that counts once', async () => {
    const { provider, authorization } = await start();
    const grants = new RememberedGrants(authorization);
    const { refreshToken } = await grants.exchange('plant', await provider.codeFor('1'));
    const first = await grants.refresh('plant', refreshToken);
    expect(await grants.refresh('plant', refreshToken)).toBe(first);
  });

  it('gets the same refusal', async () => {
    const { provider, authorization } = await start();
    const grants = new RememberedGrants(authorization);
    await refusalOf(grants.exchange('plant', 'x'));
    expect(await refusalOf(grants.exchange('plant', 'x'))).toMatch(/^4\.01 /);
    expect(provider.requests.filter((path) => path === '/token')).toHaveLength(1);
  });

  it('asks the provider again after a sign-in', async () => {
    const { provider, authorization } = await start();
    const grants = new RememberedGrants(authorization);
    const code = await provider.codeFor('1');
    await grants.exchange('plant', code);
    grants.clear();
    expect(await refusalOf(grants.exchange('plant', code))).toMatch(/^4\.01 /);
  });
});
