import type { CoapClient } from '@sallyport/coap-wire/testing';
import { deviceOwnerChanged } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

const stranger = '00000000-0000-4000-8000-000000000009';
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000);

describe('the sign-in of a device with a certificate', () => {
  let site: GatewaySite;

  beforeAll(async () => {
    site = await GatewaySite.open();
  });
  afterAll(() => site[Symbol.asyncDispose]());
  beforeEach(() => {
    site.registry.owners.set(`uuid:${lamp}`, '1');
    site.provider.issue('good');
  });

  const connect = async (uuid = lamp): Promise<CoapClient> => site.connect({ device: await site.device(uuid) });
  const signIn = (client: CoapClient, body: object = {}) =>
    send(client, '/oic/sec/session', { di: lamp, uid: '1', accesstoken: 'good', login: true, ...body });

  it.each([
    ['nothing but the wish', { login: true }, '4.00', 'cannot handle sign in: invalid device id'],
    ['no user', { di: lamp, accesstoken: '', login: true }, '4.00', 'cannot handle sign in: invalid user id'],
    ['no token', { di: lamp, uid: '1', login: true }, '4.00', 'cannot handle sign in: invalid access token'],
    [
      'a number as its token',
      { di: lamp, uid: '1', accesstoken: 123, login: true },
      '4.00',
      /^cannot handle sign in: cannot decode body: cbor/,
    ],
    [
      'the login 1',
      { di: lamp, uid: '1', accesstoken: 'good', login: 1 },
      '4.00',
      /^cannot handle sign in: cannot decode body: cbor/,
    ],
    [
      'the login "true"',
      { di: lamp, uid: '1', accesstoken: 'good', login: 'true' },
      '4.00',
      /^cannot handle sign in: cannot decode body: cbor/,
    ],
    [
      'the token of another user',
      { di: lamp, uid: '0', accesstoken: 'good', login: true },
      '4.01',
      /^cannot handle sign in: .*doesn't match userID/,
    ],
    [
      'a token that is none',
      { di: lamp, uid: '1', accesstoken: '123', login: true },
      '4.01',
      'cannot handle sign in: invalid access token',
    ],
  ])('with %s is refused, and the connection ends', async (_what, body, code, text) => {
    await using client = await connect();
    const answer = await send(client, '/oic/sec/session', body);
    expect(answer.code).toBe(code);
    expect(answer.text).toMatch(text);
    expect(await client.ended).toBe('peer-closed');
    expect(site.devices.find(site.uuid(lamp))).toBeUndefined();
  });

  it('succeeds with an owner and a token, and says for how long', async () => {
    await using client = await connect();
    expect(await signIn(client)).toMatchObject({ code: '2.04', body: { expiresin: -1 } });
    expect(site.devices.find(site.uuid(lamp))).toMatchObject({ deviceId: `uuid:${lamp}`, owner: '1' });
  });

  it('is of the device in the certificate, whatever the body says', async () => {
    await using client = await connect();
    expect((await signIn(client, { di: stranger })).code).toBe('2.04');
    expect([...site.devices.all].map(({ device }) => device)).toEqual([lamp]);
  });

  it('knows the device of a certificate that spells its name in capitals', async () => {
    const device = await site.device(lamp, { commonName: `UUID:${lamp.toUpperCase()}` });
    await using client = await site.connect({ device });
    expect((await signIn(client)).code).toBe('2.04');
    const session = site.devices.find(site.uuid(lamp));
    expect(session).toMatchObject({ device: lamp, deviceId: `UUID:${lamp.toUpperCase()}` });
  });

  it('to a device that the user does not own is refused', async () => {
    site.provider.issue('of two', { owner: '2' });
    await using client = await connect();
    expect(await signIn(client, { uid: '2', accesstoken: 'of two' })).toMatchObject({
      code: '4.01',
      text: `cannot handle sign in: access to device('${lamp}') denied`,
    });
  });

  it('waits for better times while the registry does not answer', async () => {
    await using client = await connect(stranger);
    site.registry.isDown = true;
    const answer = await signIn(client);
    site.registry.isDown = false;
    expect(answer).toMatchObject({
      code: '5.03',
      text: 'temporary error: cannot handle sign in: the device registry does not answer',
    });
  });

  it.each([
    ['100 seconds is refused', 100, { code: '4.01' }],
    ['130 seconds holds for 10', 130.9, { code: '2.04', body: { expiresin: 10 } }],
    ['an hour holds two minutes less', 3_600.9, { code: '2.04', body: { expiresin: 3_480 } }],
  ])('with a token that ends in %s', async (_what, seconds, expected) => {
    await using client = await connect();
    site.provider.issue('ending', { expiresAt: inSeconds(seconds) });
    expect(await signIn(client, { accesstoken: 'ending' })).toMatchObject(expected);
  });

  it('again on the same connection changes the token, and nothing else', async () => {
    await using client = await connect();
    await signIn(client);
    const session = site.devices.find(site.uuid(lamp));
    site.provider.issue('newer', { expiresAt: inSeconds(3_600) });
    expect((await signIn(client, { accesstoken: 'newer' })).code).toBe('2.04');
    expect(site.devices.find(site.uuid(lamp))).toBe(session);
    expect(session?.signal.aborted).toBe(false);
  });

  it('on a newer connection ends the older one, and the older one takes nothing with it', async () => {
    await using older = await connect();
    await signIn(older);
    await using newer = await connect();
    expect((await signIn(newer)).code).toBe('2.04');
    expect(await older.ended).toBe('aborted-by-peer');
    expect(older.endDetail).toBe('superseded by a newer connection of the device');
    expect(site.devices.find(site.uuid(lamp))?.signal.aborted).toBe(false);
    expect((await newer.ask('/x.plgd.dev/time')).code).toBe('2.05');
  });

  it('ends with its connection', async () => {
    const client = await connect();
    await signIn(client);
    client.socket.destroy();
    await waitFor(() => site.devices.find(site.uuid(lamp)) === undefined);
  });

  it.each([
    ['another user owns it', `uuid:${lamp}`, '2'],
    ['nobody owns it any more', `uuid:${lamp}`, undefined],
    ['nobody owns it any more, in capitals', `UUID:${lamp.toUpperCase()}`, undefined],
  ])('ends when the registry says that %s', async (_what, device, owner) => {
    await using client = await connect();
    await signIn(client);
    await site.announceOwner(device, owner);
    expect(await client.ended).toBe('aborted-by-peer');
    site.registry.owners.delete(`uuid:${lamp}`);
    await using again = await connect();
    expect((await signIn(again)).code).toBe('4.01');
  });

  it('does not begin with an answer of the registry from before a change of the owner', async () => {
    const other = await site.signedIn({ uuid: stranger });
    // The gateway asks for the owner anew.
    await site.announceOwner(`uuid:${lamp}`, '1');
    site.registry.beforeOwnerAnswer = async () => {
      site.registry.beforeOwnerAnswer = async () => undefined;
      site.registry.owners.set(`uuid:${lamp}`, '2');
      await site.announceOwner(`uuid:${lamp}`, '2');
      // When it has heard of this one, it has heard of that.
      await site.announceOwner(`uuid:${stranger}`);
      await other.ended;
    };
    await using client = await connect();
    expect((await signIn(client)).code).toBe('4.01');
  });

  it('goes on when the registry says again who owns the device', async () => {
    await using client = await connect();
    await signIn(client);
    await site.announceOwner(`uuid:${lamp}`, '1');
    await site.announceOwner(`uuid:${stranger}`);
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
    expect(site.devices.find(site.uuid(lamp))?.signal.aborted).toBe(false);
  });

  it.each([
    ['and it answers', false],
    ['and it answers a little later', true],
  ])('ends when a change of the owner was missed, %s', async (_what, isDown) => {
    await using client = await connect();
    await signIn(client);
    site.registry.owners.set(`uuid:${lamp}`, '2');
    site.registry.isDown = isDown;
    // Nobody can say what a message that nobody can read was about.
    await site.context.mqtt.publish(deviceOwnerChanged.topic, '{}');
    if (isDown) await waitFor(() => site.registry.refusedQuestions > 0);
    site.registry.isDown = false;
    expect(await client.ended).toBe('aborted-by-peer');
    expect(client.endDetail).toBe('the device has another owner');
  });

  it('ends at once when the registry locks the device', async () => {
    await using client = await connect();
    await signIn(client);
    await site.announce(`uuid:${lamp}`, 'locked');
    await client.ended;
    await waitFor(() => site.devices.find(site.uuid(lamp)) === undefined);
  });
});

describe('a session', () => {
  let opened: AsyncDisposableStack;
  beforeEach(() => {
    opened = new AsyncDisposableStack();
  });
  afterEach(() => opened.disposeAsync());

  it('ends before its token does, also while the provider is away', async () => {
    const site = opened.use(await GatewaySite.open({ settings: ['coap.owner_cache_expiration = "1s"'] }));
    site.registry.owners.set(`uuid:${lamp}`, '1');
    site.provider.issue('short', { expiresAt: inSeconds(4) });
    const client = opened.use(await site.connect({ device: await site.device() }));
    const request = { di: lamp, uid: '1', accesstoken: 'short', login: true };
    expect((await send(client, '/oic/sec/session', request)).code).toBe('2.04');
    site.provider.isDown = true;
    expect(await client.ended).toBe('aborted-by-peer');
    expect(client.endDetail).toBe('the access token has expired');
  });

  it('ends when the certificate of the device does', async () => {
    const site = opened.use(await GatewaySite.open());
    const device = await site.device(lamp, { notAfter: inSeconds(4) });
    const client = opened.use(await site.signedIn({ device }));
    await client.ended;
    await waitFor(() => site.devices.find(site.uuid(lamp)) === undefined);
  });

  it('is over for everybody when the gateway stops', async () => {
    const site = await GatewaySite.open();
    const client = opened.use(await site.signedIn());
    await site[Symbol.asyncDispose]();
    expect(await client.ended).toBe('released-by-peer');
  });
});
