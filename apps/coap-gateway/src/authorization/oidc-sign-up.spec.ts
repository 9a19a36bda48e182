import type { CoapClient } from '@sallyport/coap-wire/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySite, type GatewaySiteOptions, lamp, send } from '../gateway-site.fixture.js';
import { startAuthorization } from './authorization.fixture.js';

const stranger = '00000000-0000-4000-8000-000000000009';
const withClaim = 'coap.authorization.device_id_claim = "deviceId"';
const withoutCertificate = 'coap.tls.client_certificate_required = false';

type Parts = Awaited<ReturnType<typeof startAuthorization>>;
type Body = Readonly<Record<string, unknown>>;

/** The content of an answer. */
function membersOf(body: unknown): Body {
  return typeof body === 'object' && body !== null ? Object.fromEntries(Object.entries(body)) : {};
}

describe('a device with a real OpenID Connect provider', () => {
  let opened: AsyncDisposableStack;
  let provider: Parts['provider'];
  let site: GatewaySite;

  beforeEach(() => {
    opened = new AsyncDisposableStack();
  });
  afterEach(() => opened.disposeAsync());

  async function open(claim: string | undefined, options: GatewaySiteOptions = {}): Promise<void> {
    const tokens = { deviceIdClaim: claim };
    const parts = await startAuthorization((cleanUp) => opened.defer(cleanUp), tokens);
    provider = parts.provider;
    const settings = [...(options.settings ?? []), ...(claim === undefined ? [] : [withClaim])];
    site = opened.use(await GatewaySite.open({ ...options, settings, authorization: parts.authorization }));
  }

  const connect = async (uuid = lamp): Promise<CoapClient> =>
    opened.use(await site.connect({ device: await site.device(uuid) }));
  const signUp = (client: CoapClient, code: string, di = lamp) =>
    send(client, '/oic/sec/account', { di, accesstoken: code, authprovider: 'plant' });
  const signIn = (client: CoapClient, token: unknown, di = lamp) =>
    send(client, '/oic/sec/session', { di, uid: '1', accesstoken: token, login: true });

  it('signs up with a code, and in with its token', async () => {
    await open('deviceId');
    const client = await connect();
    const signedUp = await signUp(client, await provider.codeFor('1', { deviceId: lamp }));
    expect(signedUp).toMatchObject({ code: '2.04', body: { uid: '1', redirecturi: '' } });
    expect((await signIn(client, membersOf(signedUp.body)['accesstoken'])).code).toBe('2.04');
  });

  it('may send the same code, and the same refresh token, three times on one connection', async () => {
    await open(undefined);
    const client = await connect();
    const code = await provider.codeFor('1');
    const answers = [await signUp(client, code), await signUp(client, code), await signUp(client, code)];
    expect(answers.map((answer) => answer.code)).toEqual(['2.04', '2.04', '2.04']);
    const { refreshtoken } = membersOf(answers[0]?.body);
    const refresh = () => send(client, '/oic/sec/tokenrefresh', { di: lamp, uid: '1', refreshtoken });
    expect([(await refresh()).code, (await refresh()).code, (await refresh()).code]).toEqual(['2.04', '2.04', '2.04']);
  });

  it.each([
    [
      'has the certificate of another device',
      stranger,
      { deviceId: lamp },
      /^cannot handle sign in: access token issued to the device/,
    ],
    [
      'has a token for no device',
      lamp,
      {},
      /^cannot handle sign in: access token doesn't contain the required device id claim/,
    ],
  ])('is refused when it %s, and the connection ends', async (_what, uuid, claims, text) => {
    await open('deviceId');
    site.registry.owners.set(`uuid:${lamp}`, '1').set(`uuid:${stranger}`, '1');
    const client = await connect(uuid);
    const answer = await send(client, '/oic/sec/session', {
      di: lamp,
      uid: 'the-person',
      accesstoken: await provider.tokenFor(claims),
      login: true,
    });
    expect(answer.code).toBe('4.01');
    expect(answer.text).toMatch(text);
    expect(await client.ended).toBe('peer-closed');
  });

  it('is the one in its token when that spells the UUID in capitals', async () => {
    await open('deviceId');
    const client = await connect();
    const signedUp = await signUp(client, await provider.codeFor('1', { deviceId: lamp.toUpperCase() }));
    expect(signedUp.code).toBe('2.04');
    expect(site.registry.owners.get(`uuid:${lamp}`)).toBe('1');
  });

  it('is the one in its token, and not the one in its request, when no certificate is asked for', async () => {
    await open('deviceId', { settings: [withoutCertificate] });
    const client = opened.use(await site.connect());
    const signedUp = await signUp(client, await provider.codeFor('1', { deviceId: lamp }), stranger);
    expect(signedUp.code).toBe('2.04');
    expect((await signIn(client, membersOf(signedUp.body)['accesstoken'], stranger)).code).toBe('2.04');
    expect([...site.devices.all].map(({ device }) => device)).toEqual([lamp]);
  });

  it('is the one in its request when nothing else names it, and must belong to the user', async () => {
    await open(undefined, { settings: [withoutCertificate] });
    const client = opened.use(await site.connect());
    const { accesstoken } = membersOf((await signUp(client, await provider.codeFor('1'))).body);
    site.registry.owners.set(`uuid:${stranger}`, '2');
    expect(await signIn(client, accesstoken, stranger)).toMatchObject({
      code: '4.01',
      text: `cannot handle sign in: access to device('${stranger}') denied`,
    });
  });

  it('is refused for good when the provider refuses its code, and for now when the provider is away', async () => {
    await open(undefined);
    expect(await signUp(await connect(), 'nonsense')).toMatchObject({
      code: '4.01',
      text: "cannot handle sign up: authorization provider 'plant' refuses: invalid_grant",
    });
    provider.outage = 0;
    const refresh = { di: lamp, uid: '1', refreshtoken: 'x', authprovider: 'plant' };
    expect(await send(await connect(), '/oic/sec/tokenrefresh', refresh)).toMatchObject({
      code: '5.03',
      text: expect.stringMatching(/^temporary error: .*ServiceUnavailable/),
    });
  });

  it('leaves no owner behind when its sign-up asks for an answer that there is not', async () => {
    await open(undefined);
    const code = await provider.codeFor('1');
    const payload = { di: lamp, accesstoken: code, authprovider: 'plant' };
    const answer = await send(await connect(), '/oic/sec/account', payload, { accept: 40 });
    expect(answer.code).toBe('4.06');
    expect(site.registry.owners.size).toBe(0);
    expect(provider.requests).not.toContain('/token');
  });
});
