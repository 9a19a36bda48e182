import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { AdmissionDecision } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, closing, identity, mutual, type OpenListener, Site } from './fixtures/site.js';

const site = new Site(onTestFinished);

/** Never stops sending. */
const endlessDownload = {
  http: (_: IncomingMessage, response: ServerResponse) => {
    const chunk = Buffer.alloc(64 * 1024);
    const pump = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', pump);
    pump();
  },
};

async function connectDevice({ port }: OpenListener, device: Forged): Promise<TLSSocket> {
  const socket = await site.openTls(port, identity(device));
  socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(socket, 'data');
  return socket;
}

const isDevice = (name: string) => (peer: { deviceId: string }) =>
  peer.deviceId === name ? ('device-revoked' as const) : undefined;

describe('a live session', () => {
  it('is listed with its peer, address and beginning, until it closes', async () => {
    const ca = forgeCa('fleet');
    // A moment at which the certificates, which are made now, hold.
    const since = new Date();
    const opened = await site.openListener(mutual([ca]), { now: () => since });
    const device = forgeDevice('dev-1', ca);
    const socket = await connectDevice(opened, device);

    expect(opened.listener.sessions).toEqual([
      {
        peer: {
          deviceId: 'dev-1',
          kind: 'device',
          credential: {
            kind: 'certificate',
            certificate: device.certificate,
            issuedHere: false,
            path: expect.objectContaining({ certificates: [ca.certificate] }),
          },
        },
        remoteAddress: '127.0.0.1',
        since,
        isSecure: true,
      },
    ]);
    socket.destroy();
    await expect.poll(() => opened.listener.sessions).toEqual([]);
  });

  it.each([
    ['in the middle of a download', endlessDownload],
    ['while it is idle between two requests', undefined],
  ])('ends within a second when its device is revoked %s', async (_, handler) => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]), handler && { handler });
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca));
    const closed = closing(socket);
    socket.resume();

    const started = performance.now();
    expect(opened.listener.refuseSessions(isDevice('dev-1'))).toBe(1);
    await closed;

    expect(performance.now() - started).toBeLessThan(1000);
    expect(opened.refusals).toMatchObject([{ reason: 'device-revoked', subject: 'CN=dev-1' }]);
  });

  it('ends within a second also for a client that has stopped reading', async () => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]), { handler: endlessDownload });
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca));
    socket.pause();

    opened.listener.refuseSessions(isDevice('dev-1'));

    await expect.poll(() => opened.listener.sessions, { timeout: 1000 }).toEqual([]);
  });

  it('goes on when another device is revoked', async () => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]));
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca));

    expect(opened.listener.refuseSessions(isDevice('dev-2'))).toBe(0);

    socket.write('GET /again HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toContain('served /again');
  });

  it('never begins when its device is revoked while the registry is being asked', async () => {
    const ca = forgeCa('fleet');
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    const opened = await site.openListener(mutual([ca]), {
      admission: {
        admit: async (request) => {
          asked.resolve();
          await answer.promise;
          return admitAll.admit(request);
        },
      },
      handler: { http: (request) => seen.push(request.url) },
    });
    const socket = await site.openTls(opened.port, identity(forgeDevice('dev-1', ca)));
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await asked.promise;

    expect(opened.listener.refuseSessions(isDevice('dev-1'))).toBe(1);
    answer.resolve();
    await closing(socket);

    expect(seen).toEqual([]);
    expect(opened.listener.counters.established).toBe(0);
  });

  it('is reported once when its device is revoked while the registry is saying no', async () => {
    const ca = forgeCa('fleet');
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<AdmissionDecision>();
    const admit = () => {
      asked.resolve();
      return answer.promise;
    };
    const opened = await site.openListener(mutual([ca]), { admission: { admit } });
    const socket = await site.openTls(opened.port, identity(forgeDevice('dev-1', ca)));
    await asked.promise;

    opened.listener.refuseSessions(isDevice('dev-1'));
    answer.resolve({ outcome: 'refused', reason: 'device-revoked' });
    await closing(socket);

    expect(opened.refusals).toHaveLength(1);
  });

  it('outlives the deadline of its handshake', async () => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]), { limits: { handshakeMs: 200 } });
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca));

    // Opened later, so its own deadline is over later.
    await closing(connect(opened.port, '127.0.0.1'));

    socket.write('GET /b HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toContain('served /b');
  });

  it('is reported once, however often its device is revoked', async () => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]));
    await connectDevice(opened, forgeDevice('dev-1', ca));

    expect(opened.listener.refuseSessions(isDevice('dev-1'))).toBe(1);
    expect(opened.listener.refuseSessions(isDevice('dev-1'))).toBe(0);

    expect(opened.refusals).toHaveLength(1);
  });

  it('ends when its owner asks the registry again and it says no, and others go on', async () => {
    const ca = forgeCa('fleet');
    const locked = new Set<string>();
    const opened = await site.openListener(mutual([ca]), {
      admission: {
        admit: async (request) =>
          locked.has(request.deviceId) ? { outcome: 'refused', reason: 'device-locked' } : admitAll.admit(request),
      },
    });
    const ended = await connectDevice(opened, forgeDevice('dev-1', ca));
    await connectDevice(opened, forgeDevice('dev-2', ca));
    locked.add('dev-1');

    await opened.listener.revalidateSessions(() => true);
    await closing(ended);

    expect(opened.refusals.map(({ reason }) => reason)).toEqual(['device-locked']);
    expect(opened.listener.sessions.map(({ peer }) => peer?.deviceId)).toEqual(['dev-2']);
  });

  it('is asked about again together with few others, so that the registry can answer', async () => {
    const ca = forgeCa('fleet');
    let [asking, most] = [0, 0];
    const opened = await site.openListener(mutual([ca]), {
      admission: {
        admit: async (request) => {
          most = Math.max(most, ++asking);
          await nextTurn();
          asking -= 1;
          return admitAll.admit(request);
        },
      },
    });
    const device = forgeDevice('dev-1', ca);
    await Promise.all(Array.from({ length: 40 }, () => connectDevice(opened, device)));
    most = 0;

    await opened.listener.revalidateSessions(() => true);

    expect(most).toBe(32);
    expect(opened.listener.sessions).toHaveLength(40);
  });

  it.each([
    ['goes on when the registry answers within the grace it is given', 60_000, []],
    ['ends when the registry does not answer at once, and no grace is given', 0, ['admission-unavailable']],
  ])('%s', async (_, graceMs, reasons) => {
    const ca = forgeCa('fleet');
    let failures = 0;
    const opened = await site.openListener(mutual([ca]), {
      admission: {
        admit: async (request) =>
          failures-- > 0 ? { outcome: 'refused', reason: 'admission-unavailable' } : admitAll.admit(request),
      },
    });
    await connectDevice(opened, forgeDevice('dev-1', ca));
    failures = 1;

    await opened.listener.revalidateSessions(() => true, { graceMs });

    expect(opened.refusals.map(({ reason }) => reason)).toEqual(reasons);
    await expect.poll(() => opened.listener.sessions.length).toBe(1 - reasons.length);
  });

  it('ends when its certificate expires', async () => {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(mutual([ca]));
    const notAfter = new Date(Date.now() + 3000);
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca, { notAfter }));

    await closing(socket);

    expect(Date.now()).toBeGreaterThanOrEqual(notAfter.getTime());
    expect(opened.refusals.map(({ reason }) => reason)).toEqual(['certificate-expired']);
  });

  it('ends when the CA that vouches for it expires', async () => {
    const ca = forgeCa('fleet', { notAfter: new Date(Date.now() + 3000) });
    const opened = await site.openListener(mutual([ca]));
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca));

    await closing(socket);

    expect(opened.refusals.map(({ reason }) => reason)).toEqual(['issuer-expired']);
  });

  it('lives on with a certificate that ends later than a timer can wait', async () => {
    const ca = forgeCa('fleet', { notAfter: new Date('2049-12-31T23:59:59Z') });
    const opened = await site.openListener(mutual([ca]));
    const notAfter = new Date('2049-12-31T23:59:59Z');
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const socket = await connectDevice(opened, forgeDevice('dev-1', ca, { notAfter }));

    for (const path of ['/b', '/c', '/d']) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(String((await once(socket, 'data'))[0])).toContain(`served ${path}`);
    }
    // Node would fire such a timer at once, again and again.
    expect(warnings).not.toContain('TimeoutOverflowWarning');
  });
});
