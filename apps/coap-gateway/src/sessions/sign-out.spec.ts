import { CoapError } from '@sallyport/coap-wire';
import type { CoapClient } from '@sallyport/coap-wire/testing';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, GatewaySite, lamp, send } from '../gateway-site.fixture.js';
import type { DeviceSession } from './device-session.js';
import { SignedInWork } from './signed-in-work.js';

/** Work with a command that runs until the test ends it. */
class WorkWithCommand extends SignedInWork {
  running = Promise.resolve();
  readonly forgotten: string[] = [];

  override begin(): void {}

  override answer(): never {
    throw new CoapError('4.04', 'nothing is served here');
  }

  override async settle(): Promise<void> {
    await this.running;
  }

  override async forget({ device }: DeviceSession): Promise<void> {
    this.forgotten.push(device);
  }
}

let site: GatewaySite;
const work = new WorkWithCommand();

beforeAll(async () => {
  site = await GatewaySite.open({ work: () => work });
});
afterAll(() => site[Symbol.asyncDispose]());

const metrics = () => site.context.metrics.metrics();
const connect = async (): Promise<CoapClient> => site.connect({ device: await site.device() });

describe('the sign-out of a device', () => {
  const signOut = (client: CoapClient, body: object) => send(client, '/oic/sec/session', { login: false, ...body });

  it('that is not signed in needs everything', async () => {
    site.provider.issue('token of 1');
    await using client = await connect();
    expect(await signOut(client, { di: lamp, accesstoken: 'token of 1' })).toMatchObject({
      code: '4.00',
      text: 'cannot handle sign out: invalid authorization context',
    });
    expect(await client.ended).toBe('peer-closed');
  });

  it.each([
    ['nothing', {}],
    ['the device', { di: lamp }],
    ['everything', { di: lamp, uid: '1', accesstoken: 'token of 1' }],
  ])('that is signed in needs nothing more than %s, and keeps the connection', async (_what, body) => {
    await using client = await site.signedIn();
    const answer = await client.ask('/oic/sec/session', {
      method: 'POST',
      accept: 60,
      payload: site.cbor({ login: false, ...body }),
    });
    expect(answer).toMatchObject({ code: '2.04', contentFormat: 10_000, payload: Buffer.from([0xa0]) });
    expect(site.devices.find(site.uuid(lamp))).toBeUndefined();
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
    expect((await send(client, '/oic/rd', {})).code).toBe('4.01');
  });

  it('with everything works without a session', async () => {
    site.provider.issue('token of 1');
    await using client = await connect();
    expect((await signOut(client, { di: lamp, uid: '1', accesstoken: 'token of 1' })).code).toBe('2.04');
  });

  it('with a number as its token is told as a sign-in, since nobody knows what it was', async () => {
    await using client = await connect();
    const answer = await signOut(client, { accesstoken: 123 });
    expect(answer.code).toBe('4.00');
    expect(answer.text).toMatch(/^cannot handle sign in: cannot decode body: cbor/);
  });

  it('with the token of another user is refused', async () => {
    await using client = await site.signedIn();
    site.provider.issue('of two', { owner: '2' });
    expect(await signOut(client, { accesstoken: 'of two' })).toMatchObject({ code: '4.01' });
  });

  it('lets the device sign in again', async () => {
    await using client = await site.signedIn();
    await signOut(client, {});
    const body = { di: lamp, uid: '1', accesstoken: 'token of 1', login: true };
    expect((await send(client, '/oic/sec/session', body)).code).toBe('2.04');
  });
});

describe('the sign-off of a device', () => {
  const signOff = async (client: CoapClient, query: readonly string[] = []) =>
    answerOf(await client.ask('/oic/sec/account', { method: 'DELETE', query }));

  it.each([
    ['a query that is none', ['di=%'], '4.02', 'cannot handle sign off: invalid URL escape'],
    ['nothing', [], '4.00', 'cannot handle sign off: invalid device id'],
    ['only the device', [`di=${lamp}`], '4.00', 'cannot handle sign off: invalid user id'],
    ['no token', [`di=${lamp}`, 'uid=1'], '4.00', 'cannot handle sign off: invalid access token'],
    ['no token in one option', [`di=${lamp}&uid=1`], '4.00', 'cannot handle sign off: invalid access token'],
    ['a wrong token', [`di=${lamp}`, 'uid=1', 'accesstoken=x'], '4.01', 'cannot handle sign off: invalid access token'],
  ])('with %s is refused, and the connection ends', async (_what, query, code, text) => {
    await using client = await connect();
    expect(await signOff(client, query)).toMatchObject({ code, text });
    expect(await client.ended).toBe('peer-closed');
  });

  it.each([
    ['nothing', []],
    ['device and user', [`di=${lamp}`, 'uid=1']],
  ])('that is signed in needs nothing more than %s, and gives the device up', async (_what, query) => {
    await using client = await site.signedIn();
    work.forgotten.length = 0;
    expect((await client.ask('/oic/sec/account', { method: 'DELETE', query })).code).toBe('2.02');
    expect(site.registry.owners.has(`uuid:${lamp}`)).toBe(false);
    expect(work.forgotten).toEqual([lamp]);
    expect(site.devices.find(site.uuid(lamp))).toBeUndefined();
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
  });

  it('works without a session, with everything in the query', async () => {
    site.provider.issue('token of 1');
    site.registry.owners.set(`uuid:${lamp}`, '1');
    await using client = await connect();
    const query = [`di=${lamp}`, 'uid=1', 'accesstoken=token%20of%201'];
    expect((await client.ask('/oic/sec/account', { method: 'DELETE', query })).code).toBe('2.02');
    expect(site.registry.owners.has(`uuid:${lamp}`)).toBe(false);
  });

  it('of a device that the user does not own is refused', async () => {
    await using client = await site.signedIn();
    site.registry.owners.set(`uuid:${lamp}`, '2');
    expect(await signOff(client)).toMatchObject({
      code: '4.00',
      text: 'cannot handle sign off: cannot find the device among those of the owner',
    });
  });

  it('is answered, although its certificate is revoked before', async () => {
    await using client = await site.signedIn();
    const isRefused = async () => /^sallyport_entrance_refused_total.*reason="device-locked"/m.test(await metrics());
    site.registry.beforeReleaseAnswer = async () => {
      await site.announce(`uuid:${lamp}`, 'locked');
      await waitFor(isRefused, { what: 'the gateway to refuse the device' });
    };
    expect((await signOff(client)).code).toBe('2.02');
    expect(await client.ended).toBe('released-by-peer');
    site.registry.beforeReleaseAnswer = async () => undefined;
  });

  it('waits for the command that runs on the device', async () => {
    await using client = await site.signedIn();
    const command = Promise.withResolvers<void>();
    work.running = command.promise;
    const answer = signOff(client);
    await client.ask('/x.plgd.dev/time');
    expect(site.registry.owners.has(`uuid:${lamp}`)).toBe(true);
    command.resolve();
    expect((await answer).code).toBe('2.02');
    work.running = Promise.resolve();
  });
});
