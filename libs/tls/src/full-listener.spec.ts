import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { get, plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);
const places = 20;

/** What somebody sends who takes places and gives nobody work. */
const hogs = [
  ['that say nothing', ''],
  ['that never end their headers', 'GET / HTTP/1.1\r\nX-Slow: '],
  ['that have been answered and stay', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
] as const;

async function openCrowded(level: 'plain' | 'server') {
  const { listener, port } = await site.openListener(level === 'plain' ? plain : serverOnly(), {
    limits: { connections: places, concurrentHandshakes: 2 * places, connectionsPerAddress: places },
    handler: { http: (_, response) => response.end('served') },
  });
  const open = (localAddress: string): Socket => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const openSpeaking = async (localAddress: string): Promise<Socket> => {
    const tcp = open(localAddress);
    const socket = level === 'plain' ? tcp : connectTls({ socket: tcp, rejectUnauthorized: false });
    socket.on('error', () => undefined).resume();
    await once(socket, level === 'plain' ? 'connect' : 'secureConnect');
    return socket;
  };
  const url = `${level === 'plain' ? 'http' : 'https'}://127.0.0.1:${port}/`;
  return {
    listener,
    openSpeaking,
    ask: (localAddress: string) => get(url, level === 'plain' ? {} : { socket: open(localAddress) }),
  };
}

describe.each(['plain', 'server'] as const)('a listener at level %s that one address fills', (level) => {
  it.each(hogs)('with connections %s, serves another address, and has no more places than it has', async (_, said) => {
    const { listener, openSpeaking, ask } = await openCrowded(level);
    const crowd: Socket[] = [];
    for (let count = 0; count < places; count += 1) {
      const socket = await openSpeaking('127.0.0.2');
      socket.write(said);
      crowd.push(socket);
    }
    await expect.poll(() => listener.counters.accepted).toBe(places);

    for (const address of ['127.0.0.3', '127.0.0.4', '127.0.0.5']) expect((await ask(address)).status).toBe(200);

    expect(listener.sessions.length).toBeLessThanOrEqual(places);
    await expect.poll(() => crowd.filter(({ destroyed }) => !destroyed).length).toBeLessThan(places);
  });
});

describe('a client for which there is no place', () => {
  it('is kept waiting before it is closed, as long as few are', async () => {
    const limits = { connections: 1, delayedCloses: 1, closeDelayMs: 60_000 };
    const { listener, port, refusals } = await site.openListener(plain, { limits });
    const open = () => {
      const socket = connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .resume();
      onTestFinished(() => void socket.destroy());
      return socket;
    };
    open();
    await expect.poll(() => listener.counters.accepted).toBe(1);
    const delayedCloses = open();
    await expect.poll(() => refusals.map(({ reason }) => reason)).toEqual(['too-many-connections']);

    await once(open(), 'close');
    expect(delayedCloses.closed).toBe(false);

    await listener.close();
    await expect.poll(() => delayedCloses.closed).toBe(true);
  });

  it('is closed after that time', async () => {
    const { listener, port } = await site.openListener(plain, { limits: { connections: 1, closeDelayMs: 50 } });
    const open = () =>
      connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .resume();
    const first = open();
    onTestFinished(() => void first.destroy());
    await expect.poll(() => listener.counters.accepted).toBe(1);

    await once(open(), 'close');

    expect(first.closed).toBe(false);
  });
});
