import { once } from 'node:events';
import { Agent, get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice, forgeServer, newKeys } from './fixtures/forge.js';
import { closing, get, identity, mutual, plain, Site, serverOnly, trusting } from './fixtures/site.js';

const site = new Site(onTestFinished);

/** Sends one request over an open connection and reads until its answer is whole. */
async function ask(socket: Socket, path: string): Promise<string> {
  let said = '';
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  while (!/\r\n\r\n/.test(said)) said += String((await once(socket, 'data'))[0]);
  return said;
}

async function openPlain(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return socket;
}

describe('reload', () => {
  it('shows the new certificate to new connections, while open ones go on', async () => {
    const ca = forgeCa('fleet');
    const device = identity(forgeDevice('dev-1', ca));
    const { listener, port } = await site.openListener(mutual([ca]));
    const before = await site.openTls(port, device);
    await ask(before, '/a');

    await listener.reload(mutual([ca]));

    const after = await site.openTls(port, device);
    expect(after.getPeerCertificate().fingerprint256).not.toBe(before.getPeerCertificate().fingerprint256);
    expect(await ask(before, '/b')).toContain('served /b');
  });

  it.each([
    ['a key of another certificate', () => ({ ...serverOnly(), keyPem: forgeCa('other').keyPem })],
    ['a certificate that is none', () => ({ ...serverOnly(), certificatePem: 'garbage' })],
    ['half a pair', () => ({ certificatePem: serverOnly().certificatePem ?? '', clientCertificate: 'none' as const })],
    ['no trusted CA left', () => mutual([])],
  ])('that brings %s fails, and the former settings stay in force', async (_, settings) => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await ask(socket, '/a');

    await expect(listener.reload(settings())).rejects.toMatchObject({ type: 'config-invalid' });

    expect(listener.level).toBe('mutual');
    expect(await ask(socket, '/b')).toContain('served /b');
    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-2', ca)))).status).toBe(200);
  });

  it('after one that failed works', async () => {
    const { listener } = await site.openListener(plain);

    await expect(listener.reload(mutual([]))).rejects.toThrow();
    await listener.reload(serverOnly());

    expect(listener.level).toBe('server');
  });

  it('takes effect in the order it was asked for', async () => {
    const { listener } = await site.openListener(plain);

    await Promise.all([
      listener.reload(mutual([forgeCa('fleet')])),
      listener.reload(serverOnly()),
      listener.reload(plain),
    ]);

    expect(listener.level).toBe('plain');
  });

  it('keeps the sessions of a CA that was renewed with the same key', async () => {
    const keys = newKeys();
    const former = forgeCa('fleet', { keys });
    const renewed = forgeCa('fleet', { keys, notAfter: new Date('2040-01-01T00:00:00Z') });
    const { listener, port } = await site.openListener(mutual([former]));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', former)));
    await ask(socket, '/a');

    await listener.reload(mutual([renewed]));

    expect(await ask(socket, '/b')).toContain('served /b');
  });

  it('cuts a session whose CA comes back with name constraints that forbid its name', async () => {
    const keys = newKeys();
    const former = forgeCa('fleet', { keys });
    const strict = forgeCa('fleet', { keys, permittedDns: 'acme.example' });
    const { listener, port, refusals } = await site.openListener(mutual([former]));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', former)));
    await ask(socket, '/a');

    await listener.reload(mutual([strict]));
    await closing(socket);

    expect(refusals.map(({ reason }) => reason)).toEqual(['name-constrained']);
  });

  it('cuts a session whose CA stays but no longer belongs to our own hierarchy', async () => {
    const ca = forgeCa('fleet');
    const own = { ...trusting(ca), ownIssuers: new Set([ca.certificate.fingerprint]) };
    const { listener, port, refusals } = await site.openListener(mutual([ca], { ca: own }));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await ask(socket, '/a');

    await listener.reload(mutual([ca]));
    await closing(socket);

    expect(refusals.map(({ reason }) => reason)).toEqual(['issuer-unknown']);
  });
});

describe('a handshake that began before a reload', () => {
  /** Lets a client send its first flight, and holds the rest back until it is told. */
  async function openBrake(port: number) {
    const greeted = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const brake = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      client.once('data', (hello) => {
        server.write(hello);
        client.on('data', (rest) => void released.promise.then(() => server.write(rest)));
      });
      server.once('data', () => greeted.resolve());
      server.pipe(client).on('error', () => client.destroy());
      server.on('error', () => client.destroy()).on('close', () => client.destroy());
    });
    brake.listen(0, '127.0.0.1');
    onTestFinished(() => void brake.close());
    await once(brake, 'listening');
    const address = brake.address();
    const brakePort = typeof address === 'object' && address !== null ? address.port : 0;
    return { port: brakePort, greeted: greeted.promise, release: () => released.resolve() };
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is judged by the new settings, over %s', async (maxVersion) => {
    const [former, present] = [forgeCa('former'), forgeCa('present')];
    const served: unknown[] = [];
    const { listener, port, firstRefusal } = await site.openListener(mutual([former]), {
      handler: { stream: ({ peer }) => void served.push(peer) },
    });
    const brake = await openBrake(port);
    const socket = connectTls({
      ...identity(forgeDevice('dev-1', former)),
      port: brake.port,
      host: '127.0.0.1',
      maxVersion,
      rejectUnauthorized: false,
    });
    const closed = closing(socket);
    await brake.greeted;

    await listener.reload(mutual([present]));
    brake.release();

    expect((await firstRefusal).reason).toBe('issuer-unknown');
    await closed;
    expect(served).toEqual([]);
  });
});

describe('a stricter level', () => {
  it('sends the next request of an open plain connection to https, and closes it', async () => {
    const { listener, port } = await site.openListener(plain);
    const socket = await openPlain(port);
    expect(await ask(socket, '/a')).toContain('served /a');

    await listener.reload(mutual([forgeCa('fleet')]));

    const answer = await ask(socket, '/b');
    expect(answer).toMatch(/^HTTP\/1\.1 307 /);
    expect(answer).toContain('Location: https://a/b\r\n');
    await closing(socket);
  });

  it('sends the next request of a TLS connection without a certificate to a new one, where it is asked for', async () => {
    const { listener, port } = await site.openListener(serverOnly());
    const socket = await site.openTls(port);
    await ask(socket, '/a');

    await listener.reload(mutual([forgeCa('fleet')]));

    expect(await ask(socket, '/b')).toMatch(/^HTTP\/1\.1 307 [\s\S]*Location: https:\/\/a\/b\r\n/);
    await closing(socket);
  });

  it('lets the request in flight finish, and says that the connection closes', async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const { listener, port } = await site.openListener(plain, {
      handler: { http: (_: IncomingMessage, response: ServerResponse) => begun.resolve(response) },
    });
    const socket = await openPlain(port);
    const answered = ask(socket, '/a');
    const response = await begun.promise;

    await listener.reload(serverOnly());
    response.end('late but whole');

    expect(await answered).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n[\s\S]*late but whole$/);
    await closing(socket);
  });

  it('closes plain connections that stay idle', async () => {
    const { listener, port } = await site.openListener(plain, { limits: { retireIdleMs: 50 } });
    const socket = await openPlain(port);
    await ask(socket, '/a');

    await listener.reload(serverOnly());
    socket.resume();
    await closing(socket);

    expect(listener.sessions).toEqual([]);
  });

  it('cuts a plain transfer that takes longer than the time to drain', async () => {
    const { listener, port } = await site.openListener(plain, {
      limits: { drainMs: 50 },
      handler: { http: (_: IncomingMessage, response: ServerResponse) => void response.write('never ends') },
    });
    const socket = await openPlain(port);
    await ask(socket, '/a');

    await listener.reload(serverOnly());
    socket.resume();
    await closing(socket);

    expect(listener.sessions).toEqual([]);
  });
});

describe('a laxer level', () => {
  it('keeps serving the TLS sessions there are, and new ones for a little while', async () => {
    const ca = forgeCa('fleet');
    const device = identity(forgeDevice('dev-1', ca));
    const { listener, port } = await site.openListener(mutual([ca]));
    const socket = await site.openTls(port, device);
    await ask(socket, '/a');

    await listener.reload(plain);

    expect(await ask(socket, '/b')).toContain('served /b');
    expect((await get(`https://127.0.0.1:${port}/c`, device)).body).toBe('served /c');
    expect((await get(`http://127.0.0.1:${port}/d`)).body).toBe('served /d');
  });

  it('serves them for that while also when it is reloaded again', async () => {
    const { listener, port } = await site.openListener(serverOnly());

    await listener.reload(plain);
    await listener.reload(plain);

    expect((await get(`https://127.0.0.1:${port}/c`)).body).toBe('served /c');
  });

  it('keeps the sessions of devices when their certificates are no longer asked for', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]));
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await ask(socket, '/a');

    await listener.reload(serverOnly());

    expect(await ask(socket, '/b')).toContain('served /b');
  });

  it('does not take new TLS connections after that', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { limits: { formerTlsMs: 0 } });

    await listener.reload(plain);

    await expect(get(`https://127.0.0.1:${port}/`)).rejects.toThrow('wrong version number');
  });

  it('still asks those late clients for the certificate', async () => {
    const { listener, port } = await site.openListener(mutual([forgeCa('fleet')]));

    await listener.reload(plain);

    await expect(get(`https://127.0.0.1:${port}/`)).rejects.toThrow('certificate required');
  });
});

describe('from plain to mutual TLS and back under 100 requests a second', () => {
  it('fails no request of a client that holds a valid certificate and follows redirects', async () => {
    const ca = forgeCa('fleet');
    const device = identity(forgeDevice('dev-1', ca));
    const { listener, port } = await site.openListener(plain);
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    onTestFinished(() => agent.destroy());
    const getPlain = (path: string) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        httpGet({ host: '127.0.0.1', port, path, agent }, (response) => resolve(response.resume())).on('error', reject);
      });
    const getFollowing = async (path: string) => {
      const { statusCode, headers } = await getPlain(path);
      return statusCode === 307 ? (await get(headers.location ?? '', device)).status : statusCode;
    };

    const answers: Promise<number | undefined>[] = [];
    const switching = pause(200)
      .then(() => listener.reload(mutual([ca])))
      .then(() => pause(300))
      .then(() => listener.reload(plain));
    for (let index = 0; index < 70; index++) {
      answers.push(getFollowing(`/${index}`));
      await pause(10);
    }
    await switching;

    expect(await Promise.all(answers)).toEqual(Array.from({ length: 70 }, () => 200));
    expect(listener.counters.redirected).toBeGreaterThan(0);
  });
});

describe('a certificate with its chain', () => {
  it('is sent with its intermediates', async () => {
    const root = forgeCa('root');
    const issuing = forgeCa('issuing', { issuer: root });
    const server = forgeServer(issuing);
    const { port } = await site.openListener({
      certificatePem: server.pem + issuing.pem,
      keyPem: server.keyPem,
      clientCertificate: 'none',
    });

    const options = { ca: [root.pem], rejectUnauthorized: true, servername: 'localhost' };
    expect((await get(`https://127.0.0.1:${port}/a`, options)).status).toBe(200);
  });
});
