import { waitFor } from '@sallyport/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { SessionSite } from './session-site.fixture.js';

const password = (text: string) => Buffer.from(text);

describe('a device connects over MQTT', () => {
  let site = new SessionSite();
  afterEach(() => {
    site[Symbol.dispose]();
    site = new SessionSite();
  });

  it('with a certificate and nothing else', async () => {
    await using client = site.start({ certificate: 'pump-17' });
    expect(await client.next('connack')).toMatchObject({ reasonCode: 0, sessionPresent: false });
    expect(site.events).toEqual(['connect pump-17']);
  });

  it('with a token as password and no user name', async () => {
    site.deviceBySecret.set('token-of-pump-18', 'pump-18');
    await using client = site.start({ userName: '', password: password('token-of-pump-18') });
    expect((await client.next('connack')).reasonCode).toBe(0);
    expect(site.events).toEqual(['connect pump-18']);
  });

  it('with its identity as user name and a password', async () => {
    site.deviceBySecret.set('pump-19:twenty letters or more', 'pump-19');
    await using client = site.start({ userName: 'pump-19', password: password('twenty letters or more') });
    expect((await client.next('connack')).reasonCode).toBe(0);
    expect(site.events).toEqual(['connect pump-19']);
  });

  it('and is told in MQTT 5 what is served: QoS 1, no retained messages, no session that outlives the connection', async () => {
    await using client = site.start({ certificate: 'pump-17', version: 5 });
    const { properties } = await client.next('connack');
    expect(properties).toMatchObject({
      maximumQoS: 1,
      retainAvailable: false,
      sessionExpiryInterval: 0,
      assignedClientIdentifier: 'pump-17',
      sharedSubscriptionAvailable: false,
    });
  });

  it.each([
    ['kept', false],
    ['clean', true],
  ])('and asks for a %s session, which is the same here: no session is present', async (_name, isClean) => {
    await (await site.open({ certificate: 'pump-17' })).disconnect();
    await using client = site.start({ certificate: 'pump-17', isClean });
    expect((await client.next('connack')).sessionPresent).toBe(false);
  });

  it('and its will is not published, since the end of its session is an event', async () => {
    const will = {
      topic: '$resource/state',
      payload: password('gone'),
      qos: 0,
      retain: false,
      properties: undefined,
    } as const;
    const client = await site.open({ certificate: 'pump-17', will });
    await client.drop();
    await waitFor(() => site.events.includes('disconnect pump-17'));
    expect(site.valuesOf('pump-17').written).toEqual([]);
  });
});

describe('a device is refused over MQTT', () => {
  let site = new SessionSite();
  afterEach(() => {
    site[Symbol.dispose]();
    site = new SessionSite();
  });

  it.each([
    ['a wrong token', { userName: '', password: password('guess') }, 4, 0x86],
    ['a user name and no password', { userName: 'pump-17' }, 4, 0x86],
    ['another client id than its identity', { certificate: 'pump-17', clientId: 'pump-18' }, 2, 0x85],
    ['another user name than its identity', { certificate: 'pump-17', userName: 'pump-18' }, 4, 0x86],
  ])('with %s, in the words of its version', async (_name, options, returnCode, reasonCode) => {
    await using old = site.start(options);
    expect((await old.next('connack')).reasonCode).toBe(returnCode);
    await old.closed();
    await using newest = site.start({ ...options, version: 5 });
    expect((await newest.next('connack')).reasonCode).toBe(reasonCode);
    await newest.closed();
    expect(site.events).toEqual([]);
  });

  it('with code 5 when it is locked, although its token is right', async () => {
    site.refusal = 'device-locked';
    await using client = site.start({ userName: '', password: password('token') });
    expect((await client.next('connack')).reasonCode).toBe(5);
    expect(site.sessions.counters.refusals.get('device-locked')).toBe(1);
  });

  it('with an authentication method of MQTT 5', async () => {
    await using client = site.start({
      certificate: 'pump-17',
      version: 5,
      properties: { authenticationMethod: 'SCRAM' },
    });
    expect((await client.next('connack')).reasonCode).toBe(0x8c);
  });

  it('when its first packet is no CONNECT', async () => {
    await using client = site.dial({ certificate: 'pump-17' });
    client.send({ type: 'pingreq' });
    expect(await client.rest()).toEqual([]);
  });

  it('when its CONNECT is larger than 16 KiB', async () => {
    await using client = site.start({ certificate: 'pump-17', version: 5, userName: 'x'.repeat(17_000) });
    await client.closed();
    expect(site.sessions.counters.refusals.get('connect-too-large')).toBe(1);
  });

  it('when its CONNECT does not come in time', async () => {
    using quick = new SessionSite({ connectMs: 1 });
    await using client = quick.dial({ certificate: 'pump-17' });
    await client.closed();
    expect(quick.sessions.counters.refusals.get('connect-late')).toBe(1);
  });
});

describe('a client without a credential', () => {
  const token = 'a'.repeat(40);

  it('gets its token as a message on the topic it published to, once', async () => {
    using site = new SessionSite();
    site.tokenByIdentity.set('pump-20', token);
    await using client = await site.open();
    client.publish('$provision/pump-20', '', { qos: 1, packetId: 7 });
    expect((await client.next('puback')).packetId).toBe(7);
    expect(await client.messages(1)).toEqual([`$provision/pump-20 ${token} 0`]);
    client.publish('$provision/pump-20', '', { qos: 1, packetId: 8 });
    expect(await client.rest()).toEqual([]);
    expect(site.events).toEqual([]);
  });

  it('is told nothing but "not authorised" about an identity it may not have', async () => {
    using site = new SessionSite();
    await using client = await site.open({ version: 5 });
    expect(await client.publishWhole('$provision/pump-21', '', { qos: 1 })).toBe(0x87);
  });

  it.each(['$resource/temperature', '$resource.batch', 'anything'])('may not publish to %s', async (topic) => {
    using site = new SessionSite();
    await using client = await site.open({ version: 5 });
    expect(await client.publishWhole(topic, '1', { qos: 1 })).toBe(0x87);
    await using old = await site.open();
    old.publish(topic, '1', { qos: 1, packetId: 1 });
    expect(await old.rest()).toEqual([]);
  });

  it('is cut when it asks for tokens again and again', async () => {
    using site = new SessionSite();
    await using client = await site.open({ version: 5 });
    for (const name of ['a', 'b', 'c', 'd']) client.publish(`$provision/${name}`, '', { qos: 1, packetId: 1 });
    const packets = await client.rest();
    expect(packets.at(-1)).toMatchObject({ type: 'disconnect', reasonCode: 0x96 });
    expect(packets.filter(({ type }) => type === 'puback')).toHaveLength(3);
  });

  it('may send only small packets', async () => {
    using site = new SessionSite();
    await using client = await site.open({ version: 5 });
    client.publish('$provision/pump-20', 'x'.repeat(1_024));
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x95 });
  });

  it('may not stay', async () => {
    using site = new SessionSite({ anonymousMs: 1 });
    await using client = await site.open({ version: 5 });
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0xa0 });
  });
});
