import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';
import { AttemptLimit } from './attempt-limit.js';

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

describe('a device that does not sign in', () => {
  it('loses its connection after the time of the settings', async () => {
    const site = opened.use(await GatewaySite.open({ settings: ['coap.sign_in.timeout = "1s"'] }));
    const client = opened.use(await site.connect({ device: await site.device() }));
    expect(await client.ended).toBe('aborted-by-peer');
    expect(client.endDetail).toBe('no sign-in in time');
  });

  it('keeps it while it is signed in', async () => {
    const site = opened.use(await GatewaySite.open({ settings: ['coap.sign_in.timeout = "1s"'] }));
    const idle = await site.connect({ device: await site.device('00000000-0000-4000-8000-000000000002') });
    const client = opened.use(await site.signedIn());
    await idle.ended;
    await send(client, '/oic/sec/session', { login: false });
    expect(await client.ended).toBe('aborted-by-peer');
  });
});

describe('two devices with one identity', () => {
  it('take the session from each other so often, and then the last one keeps it', async () => {
    const site = opened.use(await GatewaySite.open());
    const device = await site.device();
    const clients = [];
    for (let turn = 0; turn < 11; turn += 1) clients.push(opened.use(await site.signedIn({ device })));
    const session = site.devices.find(site.uuid(lamp));
    const late = opened.use(await site.connect({ device }));
    const body = { di: lamp, uid: '1', accesstoken: 'token of 1', login: true };
    expect((await send(late, '/oic/sec/session', body)).code).toBe('4.29');
    expect(site.devices.find(site.uuid(lamp))).toBe(session);
    expect((await clients.at(-1)?.ask('/x.plgd.dev/time'))?.code).toBe('2.05');
  });
});

describe('a network that guesses', () => {
  it('may try only so often, and others are not kept out by outages', async () => {
    const attempts = new AttemptLimit({ network: { burst: 3, perSecond: 0.001 } });
    const site = opened.use(await GatewaySite.open({ attempts }));
    const device = await site.device();
    const attempt = async () => {
      await using client = await site.connect({ device });
      const body = { di: lamp, uid: '1', accesstoken: 'a guess', authprovider: 'plgd', refreshtoken: 'a guess' };
      return (await send(client, '/oic/sec/tokenrefresh', body)).code;
    };
    site.provider.isDown = true;
    expect([await attempt(), await attempt(), await attempt(), await attempt()]).toEqual(Array(4).fill('5.03'));
    site.provider.isDown = false;
    expect([await attempt(), await attempt(), await attempt(), await attempt()]).toEqual([
      '4.01',
      '4.01',
      '4.01',
      '4.29',
    ]);
  });
});

describe('a device that guesses', () => {
  it('may try only so often, and keeps no other device of its network out', async () => {
    const attempts = new AttemptLimit({ identity: { burst: 3, perSecond: 0.001 } });
    const site = opened.use(await GatewaySite.open({ attempts }));
    const device = await site.device();
    const codes = [];
    for (let run = 0; run < 5; run += 1) {
      await using client = await site.connect({ device });
      const body = { di: lamp, uid: '1', accesstoken: 'a guess', login: true };
      codes.push((await send(client, '/oic/sec/session', body)).code);
    }
    expect(codes).toEqual(['4.01', '4.01', '4.01', '4.29', '4.29']);
    const other = opened.use(await site.signedIn({ uuid: '00000000-0000-4000-8000-000000000002' }));
    expect((await other.ask('/x.plgd.dev/time')).code).toBe('2.05');
    expect(Array.from(site.devices.all).length).toBe(1);
  });
});

describe('a device that signs in and out all the time', () => {
  it('may do so sixty times, and then once a second', async () => {
    const site = opened.use(await GatewaySite.open());
    const client = opened.use(await site.signedIn());
    const signIn = () =>
      send(client, '/oic/sec/session', { di: lamp, uid: '1', accesstoken: 'token of 1', login: true });
    const codes = [];
    for (let turn = 0; turn < 75 && codes.at(-1) !== '4.29'; turn += 1) {
      await send(client, '/oic/sec/session', { login: false });
      codes.push((await signIn()).code);
    }
    expect(codes.length).toBeGreaterThanOrEqual(60);
    expect(codes.at(-1)).toBe('4.29');
  });
});

describe('a refusal', () => {
  it('is in the audit log once a minute, with the certificate, and in the log without any secret', async () => {
    const site = opened.use(await GatewaySite.open());
    const lines: unknown[] = [];
    vi.spyOn(site.context.log, 'info').mockImplementation((...line: unknown[]) => void lines.push(line));
    const device = await site.device();
    for (let run = 0; run < 3; run += 1) {
      await using client = await site.connect({ device });
      const body = { di: lamp, uid: '1', accesstoken: 'secret-of-a-device', login: true };
      expect((await send(client, '/oic/sec/session', body)).code).toBe('4.01');
    }
    await waitFor(() => site.registry.refusals.length > 0);
    expect(site.registry.refusals).toEqual([
      {
        reason: 'authorization-refused',
        entrance: 'coap',
        remoteAddress: '127.0.0.1',
        subject: `CN=uuid:${lamp}`,
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
    const text = JSON.stringify(lines);
    expect(text).toContain('cannot handle sign in: invalid access token');
    expect(text.match(/request of a device refused/g)?.length).toBe(1);
    expect(text).not.toContain('secret-of-a-device');
  });

  it('is counted by resource and code', async () => {
    const site = opened.use(await GatewaySite.open());
    const client = opened.use(await site.connect({ device: await site.device() }));
    await send(client, '/oic/sec/session', { login: true });
    const signedIn = opened.use(await site.signedIn());
    expect((await signedIn.ask('/x.plgd.dev/time')).code).toBe('2.05');
    await client.ended;
    const metrics = await waitFor(async () => {
      const text = await site.context.metrics.metrics();
      return text.includes('sallyport_coap_connections 1') && text;
    });
    expect(metrics).toContain('sallyport_coap_sessions 1');
    expect(metrics).toContain('sallyport_coap_refused_total{path="/oic/sec/session",code="4.00"} 1');
  });
});
