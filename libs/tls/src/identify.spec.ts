import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type AdmissionDecision, type AdmissionRequest, deviceId } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, closing, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Connection, Peer, SecureListenerOptions, SecuritySettings, TokenClaim } from './index.js';

const site = new Site(onTestFinished);

const inAnHour = () => new Date(Date.now() + 3_600_000);

function token(name = 'dev-1', expiresAt = inAnHour()): TokenClaim {
  return { deviceId: deviceId.parse(name), issuer: 'https://login.example', expiresAt };
}

const optional = () => mutual([forgeCa('fleet')], { clientCertificate: 'optional' });

/** An anonymous connection of a device that may sign in, as the service has it. */
async function connected(security: SecuritySettings, more: Partial<SecureListenerOptions> = {}) {
  const handed = Promise.withResolvers<Connection>();
  const admitted: Peer[] = [];
  const refused: unknown[] = [];
  const opened = await site.openListener(security, {
    handler: { stream: (connection) => handed.resolve(connection) },
    events: {
      onRefusal: ({ reason, detail }) => void refused.push(detail === undefined ? reason : `${reason}: ${detail}`),
      onAdmitted: ({ peer }) => void admitted.push(peer),
      onWarning: () => undefined,
    },
    ...more,
  });
  const socket: Socket =
    security.certificatePem === undefined ? await openTcp(opened.port) : await site.openTls(opened.port);
  return { ...opened, socket, connection: await handed.promise, admitted, refused };
}

async function openTcp(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.write('first bytes');
  return socket;
}

describe('a connection that is identified by a token', () => {
  it.each([
    ['without a certificate where one is optional', optional],
    ['where no certificate is asked for', serverOnly],
    ['at level plain', () => plain],
  ])('has its peer from then on, %s', async (_, security) => {
    const { listener, connection, admitted } = await connected(security());
    const before = [connection.peer, ...listener.sessions.map(({ peer }) => peer)];
    const claim = token();

    const decision = await connection.identify(claim);

    const peer = {
      deviceId: 'dev-1',
      kind: 'device',
      credential: { kind: 'token', issuer: 'https://login.example', expiresAt: claim.expiresAt },
    };
    expect(before).toEqual([undefined, undefined]);
    expect(decision).toEqual({ outcome: 'admitted', deviceId: 'dev-1', kind: 'device' });
    expect(connection.peer).toEqual(peer);
    expect(listener.sessions.map((session) => session.peer)).toEqual([peer]);
    expect(admitted).toEqual([peer]);
  });

  it('is admitted by the same port, which is told what it needs to know', async () => {
    const requests: AdmissionRequest[] = [];
    const { connection } = await connected(serverOnly(), {
      admission: {
        admit: (request) => {
          requests.push(request);
          return admitAll.admit(request);
        },
      },
    });
    const expiresAt = new Date('2049-12-31T23:59:59Z');

    await connection.identify(token('dev-1', expiresAt));

    expect(requests).toEqual([
      {
        credential: 'token',
        deviceId: 'dev-1',
        kind: 'device',
        issuer: 'https://login.example',
        expiresAt: '2049-12-31T23:59:59.000Z',
        entrance: 'agent',
        remoteAddress: '127.0.0.1',
      },
    ]);
  });

  it('is cut when its device is revoked', async () => {
    const { listener, socket, connection, refused } = await connected(serverOnly());
    await connection.identify(token());
    const closed = closing(socket);

    const ended = listener.refuseSessions((peer) => (peer.deviceId === 'dev-1' ? 'device-revoked' : undefined));
    await closed;

    expect([ended, refused]).toEqual([1, ['device-revoked']]);
  });

  it('is cut when it is asked about again and not admitted any more', async () => {
    let decision: AdmissionDecision = { outcome: 'admitted', deviceId: deviceId.parse('dev-1'), kind: 'device' };
    const { listener, socket, connection, refused } = await connected(serverOnly(), {
      admission: { admit: async () => decision },
    });
    await connection.identify(token());
    const closed = closing(socket);
    decision = { outcome: 'refused', reason: 'device-locked' };

    await listener.revalidateSessions(() => true);
    await closed;

    expect(refused).toEqual(['device-locked']);
  });

  it('is cut when the token expires', async () => {
    const { socket, connection, refused } = await connected(serverOnly());
    const closed = closing(socket);

    await connection.identify(token('dev-1', new Date(Date.now() + 100)));
    await closed;

    expect(refused).toEqual(['token-expired']);
  });

  it('lives on with a newer token', async () => {
    const { socket, connection, refused } = await connected(serverOnly());
    const soon = new Date(Date.now() + 300);
    await connection.identify(token('dev-1', soon));

    const later = token();
    await connection.identify(later);
    // Another connection shows when the first token was over.
    const other = await connected(serverOnly());
    const closed = closing(other.socket);
    await other.connection.identify(token('dev-2', new Date(soon.getTime() + 50)));
    await closed;

    expect([socket.closed, refused]).toEqual([false, []]);
    expect(connection.peer?.credential).toMatchObject({ kind: 'token', expiresAt: later.expiresAt });
  });

  it('counts for its device from then on', async () => {
    const limits = { connectionsPerIdentity: 1, idleKeptMs: 60_000 };
    const handed: Connection[] = [];
    const { port, refusals } = await site.openListener(serverOnly(), {
      handler: { stream: (connection) => void handed.push(connection) },
      limits,
    });
    for (const _ of [1, 2]) await site.openTls(port);
    await expect.poll(() => handed.length).toBe(2);

    const decisions = [];
    for (const connection of handed) decisions.push(await connection.identify(token()));

    expect(decisions).toMatchObject([{ outcome: 'admitted' }, { outcome: 'refused', reason: 'too-many-connections' }]);
    expect(refusals.map(({ reason }) => reason)).toEqual(['too-many-connections']);
  });

  it('may be one of HTTP, whose requests have the peer then', async () => {
    const { port } = await site.openListener(serverOnly(), {
      handler: {
        http: async (_, response, connection) => {
          if (connection.peer === undefined) await connection.identify(token());
          response.end(`hello ${connection.peer?.deviceId}`);
        },
      },
    });
    const socket = await site.openTls(port);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');

    expect(String((await once(socket, 'data'))[0])).toContain('hello dev-1');
  });
});

describe('a token that identifies nobody', () => {
  it.each([
    ['has expired', token('dev-1', new Date(0)), {}, 'token-expired'],
    ['ends at no date', token('dev-1', new Date('never')), {}, 'token-expired'],
    [
      'is that of a device where none may pass',
      token(),
      { permittedKinds: new Set(['service'] as const) },
      'not-permitted',
    ],
  ])('because it %s is refused before the registry is asked', async (_, claim, more, reason) => {
    const asked: AdmissionRequest[] = [];
    const { listener, connection } = await connected(serverOnly(), {
      ...more,
      admission: {
        admit: (request) => {
          asked.push(request);
          return admitAll.admit(request);
        },
      },
    });

    expect(await connection.identify(claim)).toEqual({ outcome: 'refused', reason });
    expect(asked).toEqual([]);
    expect(listener.refusalCounts).toEqual(new Map([[reason, 1]]));
  });

  it.each([
    ['the registry refuses it', { outcome: 'refused', reason: 'device-revoked' }, 'device-revoked'],
    ['the registry names another device', { outcome: 'admitted', deviceId: 'dev-2', kind: 'device' }, 'not-permitted'],
    ['the registry makes it a service', { outcome: 'admitted', deviceId: 'dev-1', kind: 'service' }, 'not-permitted'],
  ] as const)('because %s leaves the connection as it was', async (_, answer, reason) => {
    const decision: AdmissionDecision =
      answer.outcome === 'refused' ? answer : { ...answer, deviceId: deviceId.parse(answer.deviceId) };
    const { listener, socket, connection, refused } = await connected(serverOnly(), {
      admission: { admit: async () => decision },
    });

    expect(await connection.identify(token())).toEqual({ outcome: 'refused', reason });
    expect([connection.peer, socket.closed, refused]).toEqual([undefined, false, [reason]]);
    expect(listener.sessions).toHaveLength(1);
  });

  it('is refused while the registry does not answer', async () => {
    const { connection } = await connected(serverOnly(), {
      admission: { admit: () => new Promise(() => undefined) },
      limits: { admissionMs: 20 },
    });

    expect(await connection.identify(token())).toEqual({ outcome: 'refused', reason: 'admission-unavailable' });
    expect(connection.peer).toBeUndefined();
  });

  it('is refused on the connection of another device', async () => {
    const { connection, refused } = await connected(serverOnly());
    await connection.identify(token('dev-1'));

    expect(await connection.identify(token('dev-2'))).toEqual({ outcome: 'refused', reason: 'not-permitted' });
    expect(connection.peer?.deviceId).toBe('dev-1');
    expect(refused).toEqual(['not-permitted: the connection is that of another device']);
  });

  it('is refused where a certificate said already who the peer is', async () => {
    const ca = forgeCa('fleet');
    const handed = Promise.withResolvers<Connection>();
    const { port } = await site.openListener(mutual([ca]), {
      handler: { stream: (connection) => handed.resolve(connection) },
    });
    await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    const connection = await handed.promise;

    expect(await connection.identify(token('dev-1'))).toEqual({ outcome: 'refused', reason: 'not-permitted' });
    expect(connection.peer?.credential.kind).toBe('certificate');
  });

  it('is refused when its device is revoked before the registry has answered', async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const { listener, socket, connection, admitted } = await connected(serverOnly(), {
      admission: {
        admit: async (request) => {
          asked.resolve();
          await answer.promise;
          return admitAll.admit(request);
        },
      },
    });
    const closed = closing(socket);
    const decision = connection.identify(token());
    await asked.promise;

    listener.refuseSessions(({ deviceId: id }) => (id === 'dev-1' ? 'device-revoked' : undefined));
    answer.resolve();
    await closed;

    expect(await decision).toEqual({ outcome: 'refused', reason: 'device-revoked' });
    expect([connection.peer, admitted]).toEqual([undefined, []]);
  });

  it('gives way to a level that asks for certificates', async () => {
    const { listener, socket, connection } = await connected(optional(), { limits: { drainMs: 20 } });
    await connection.identify(token());
    const closed = closing(socket);

    await listener.reload(mutual([forgeCa('fleet')]));
    await closed;

    expect(connection.draining.aborted).toBe(true);
  });
});
