import { connect } from 'node:tls';
import { connectCoap } from '@sallyport/coap-wire/testing';
import { TestCa, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';

const identityUsage = 'clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6';

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

describe('the entrance of the gateway', () => {
  it('opens when the signer has issued its certificate, and not before', async () => {
    const site = opened.use(await GatewaySite.open({ certificateFrom: 'signer' }));
    expect(site.port).toBe(0);
    expect(await site.context.readiness.report()).toMatchObject({ ready: false });
    site.signerAnswers();
    await waitFor(() => site.port !== 0);
    const client = opened.use(await site.signedIn());
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
  });

  it('shows a certificate for this machine, with the whole chain', async () => {
    const site = opened.use(await GatewaySite.open());
    const socket = connect({ host: '127.0.0.1', port: site.port, ca: site.siteCa.certPem, servername: 'localhost' });
    const failure = await new Promise<Error | undefined>((resolve) => {
      socket.once('secureConnect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    expect([failure, socket.authorized]).toEqual([undefined, true]);
    socket.destroy();
  });

  it('lets devices of a new CA in, and cuts those of a CA that is gone, without closing', async () => {
    const site = opened.use(await GatewaySite.open());
    const next = opened.use(await TestCa.create({ commonName: 'Next CA' }));
    const client = opened.use(await site.signedIn());
    const device = await next.issue({ commonName: `uuid:${lamp}`, extendedKeyUsage: identityUsage });
    const early = await site.connect({ device });
    expect(await early.opened).toBe(false);
    await site.trust([site.siteCa, next]);
    await waitFor(async () => {
      await using late = await site.connect({ device });
      return await late.opened;
    });
    expect((await client.ask('/x.plgd.dev/time')).code).toBe('2.05');
    await site.trust([next]);
    await client.ended;
    const other = opened.use(await site.signedIn({ device }));
    expect((await send(other, '/oic/sec/session', { login: false })).code).toBe('2.04');
  });

  it('answers nothing to a client that speaks without TLS', async () => {
    const site = opened.use(await GatewaySite.open());
    const client = opened.use(await connectCoap({ port: site.port }));
    expect(await client.opened).toBe(false);
  });
});
