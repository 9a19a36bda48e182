import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CoapEndpoint } from './coap-endpoint.js';
import { endpointAndPeer, RawPeer } from './raw-peer.fixture.js';

const neverSilent = { silenceMs: 60_000 };
const options = (message: { options: readonly { number: number; value: Buffer }[] }): [number, string][] =>
  message.options.map(({ number, value }) => [number, value.toString('hex')]);

describe('capabilities and settings (RFC 8323 §5.3)', () => {
  it('are sent at once, before any message of the peer', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    new CoapEndpoint(here);
    expect(await peer.nextHex()).toBe('50e12304000020');
  });

  it('tell the largest message of the limits', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    new CoapEndpoint(here, { limits: { messageBytes: 65_536 } });
    expect(options(await peer.next())).toEqual([
      [2, '010000'],
      [4, ''],
    ]);
  });

  it('open the connection for both sides when the peer has sent its own', async () => {
    const [endpoint] = await endpointAndPeer();
    expect(await endpoint.opened).toBe(true);
  });

  it('may come with a token and without options, as those of plgd devices', async () => {
    const [here, there] = duplexPair();
    const endpoint = new CoapEndpoint(here);
    new RawPeer(there).sendHex('08 e1 0102030405060708');
    expect(await endpoint.opened).toBe(true);
  });

  it('are not needed before a request', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    new CoapEndpoint(here, { handler: () => ({ code: '2.05' }) });
    await peer.next();
    peer.sendHex('01 01 aa');
    expect(await peer.nextHex()).toBe('0145aa');
  });

  it('may be sent again, and unknown elective options of them are ignored', async () => {
    const [, peer] = await endpointAndPeer();
    peer.sendHex('60 e1 22 0800 20 41 00  02 e2 aa bb');
    expect(await peer.nextHex()).toBe('02e3aabb');
  });

  it('with an unknown critical option are answered with an Abort that names it', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    peer.sendHex('10 e1 50');
    const abort = await peer.next();
    expect([abort.code, options(abort)]).toEqual([0xe5, [[2, '05']]]);
    expect(await endpoint.ended).toBe('protocol-error');
    expect(endpoint.endDetail).toBe('signal 7.01 has unknown critical option 5');
  });
});

describe('signs of life (RFC 8323 §5.4)', () => {
  it('answers a Ping with a Pong of the same token', async () => {
    const [, peer] = await endpointAndPeer();
    peer.sendHex('02 e2 aa bb');
    expect(await peer.nextHex()).toBe('02e3aabb');
  });

  it('ignores empty messages', async () => {
    const [, peer] = await endpointAndPeer();
    peer.sendHex('00 00 00 00 00 e2');
    expect(await peer.nextHex()).toBe('00e3');
    expect(peer.unread).toEqual([]);
  });

  it('asks a silent peer with a Ping, and takes a Pong without token, as that of libcoap', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { silenceMs: 40, pongMs: 5_000 } });
    for (let round = 0; round < 3; round += 1) {
      expect(await peer.nextHex()).toBe('00e2');
      peer.sendHex('10 e3 20');
    }
    endpoint.abort('over');
    expect(await endpoint.ended).toBe('closed-here');
  });

  it('takes any other message as a sign of life too', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { silenceMs: 40, pongMs: 5_000 } });
    for (let round = 0; round < 3; round += 1) {
      expect(await peer.nextHex()).toBe('00e2');
      peer.sendHex('00 00');
    }
    endpoint.abort('over');
    expect(await endpoint.ended).toBe('closed-here');
  });

  it('ends the connection when nothing answers', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { silenceMs: 40, pongMs: 40 } });
    expect(await peer.nextHex()).toBe('00e2');
    expect(await endpoint.ended).toBe('silent');
    expect((await peer.next()).code).toBe(0xe5);
  });
});

describe('the end by signals (RFC 8323 §5.5, §5.6)', () => {
  it('closes at an Abort of the peer, and keeps its words for the log', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: neverSilent });
    peer.sendHex('50 e5 ff 6f6f7073');
    expect(await endpoint.ended).toBe('aborted-by-peer');
    expect(endpoint.endDetail).toBe('oops');
  });

  it('answers what runs at a Release of the peer, refuses what comes after it, and closes', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const handler = async () => {
      await promise;
      return { code: '2.04' } as const;
    };
    const [endpoint, peer] = await endpointAndPeer({ handler });
    peer.sendHex('01 02 aa  00 e4  01 02 bb');
    expect([(await peer.next()).code]).toEqual([0xa3]);
    resolve();
    expect(await peer.nextHex()).toBe('0144aa');
    expect(await endpoint.ended).toBe('released-by-peer');
    expect(peer.isFinished).toBe(true);
  });

  it('answers what runs before it sends a Release', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const handler = async () => {
      await promise;
      return { code: '2.04' } as const;
    };
    const [endpoint, peer] = await endpointAndPeer({ handler });
    peer.sendHex('01 02 aa 00 e2');
    await peer.next();
    const released = endpoint.release();
    resolve();
    expect([await peer.nextHex(), await peer.nextHex()]).toEqual(['0144aa', '00e4']);
    peer.stream.end();
    await released;
    expect(await endpoint.ended).toBe('closed-here');
  });

  it('waits for running answers only so long', async () => {
    const handler = () => new Promise<never>(() => undefined);
    const [endpoint, peer] = await endpointAndPeer({ handler, limits: { releaseMs: 30, lingerMs: 30 } });
    peer.sendHex('01 02 aa 00 e2');
    await peer.next();
    await endpoint.release();
    expect(await peer.nextHex()).toBe('00e4');
  });

  it.each(['destroy', 'end'] as const)('is noticed when it came before the endpoint was made: %s', async (how) => {
    const [here, there] = duplexPair();
    here.resume();
    if (how === 'destroy') here.destroy();
    else there.end();
    await once(here, how === 'destroy' ? 'close' : 'end');
    there.on('end', () => there.destroy()).resume();
    expect(await new CoapEndpoint(here).ended).toBe('peer-closed');
  });

  it('sends an Abort with words when we give up', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    endpoint.abort('superseded');
    const abort = await peer.next();
    expect([abort.code, abort.payload.toString()]).toEqual([0xe5, 'superseded']);
    expect(await endpoint.ended).toBe('closed-here');
  });
});

describe('bytes that are no CoAP', () => {
  it.each([
    ['a token of 9 bytes', '09 01 010203040506070809'],
    ['a message larger than the limit', 'f0 ff ff ff ff 02'],
    ['a payload marker without payload', '10 02 ff'],
    ['an option with a reserved length', '20 02 1f 00'],
    ['an option that ends behind the message', '10 02 b3'],
  ])('end the connection with an Abort: %s', async (_, hex) => {
    const [endpoint, peer] = await endpointAndPeer();
    peer.sendHex(hex);
    expect((await peer.next()).code).toBe(0xe5);
    expect(await endpoint.ended).toBe('protocol-error');
    expect(endpoint.endDetail).not.toBeUndefined();
  });
});
