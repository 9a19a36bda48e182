import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CoapEndpoint } from './coap-endpoint.js';
import { endpointAndPeer, RawPeer } from './raw-peer.fixture.js';

describe('a peer that takes too long', () => {
  it('is cut when its first message does not come', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    const endpoint = new CoapEndpoint(here, { limits: { firstMessageMs: 30, lingerMs: 30 } });
    expect([await endpoint.ended, endpoint.endDetail]).toEqual(['too-slow', 'the first message does not come']);
    expect([(await peer.next()).code, (await peer.next()).code]).toEqual([0xe1, 0xe5]);
    expect(await endpoint.opened).toBe(false);
  });

  it('is cut when it sends one message a byte at a time', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { frameMs: 60, lingerMs: 30 } });
    peer.sendHex('d0 ff 02');
    const drip = setInterval(() => peer.stream.write(Buffer.of(0)), 10);
    expect([await endpoint.ended, endpoint.endDetail]).toEqual(['too-slow', 'the rest of a message does not come']);
    clearInterval(drip);
  });

  it('is cut when it reads nothing', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { drainMs: 40, lingerMs: 30 } });
    peer.stream.pause();
    for (let index = 0; index < 10; index += 1)
      endpoint.notify(Buffer.of(1), { code: '2.05', payload: Buffer.alloc(65_536) });
    expect([await endpoint.ended, endpoint.endDetail]).toEqual(['too-slow', 'the peer does not read']);
  });

  it('is cut when more waits for it than one connection may hold', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { unsentBytes: 300_000, lingerMs: 30 } });
    peer.stream.pause();
    const isSent: boolean[] = [];
    for (let index = 0; index < 10; index += 1)
      isSent.push(endpoint.notify(Buffer.of(1), { code: '2.05', payload: Buffer.alloc(65_536) }));
    expect(isSent.filter(Boolean)).toHaveLength(4);
    expect(await endpoint.ended).toBe('too-slow');
  });

  it('is not cut for silence while we do not read', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const [endpoint, peer] = await endpointAndPeer({
      handler: async () => {
        await promise;
        return { code: '2.04' };
      },
      limits: { requestsAtOnce: 1, silenceMs: 20, pongMs: 20 },
    });
    peer.sendHex('01 02 aa');
    const waitMs = 200;
    await new Promise((later) => setTimeout(later, waitMs));
    resolve();
    expect(await peer.nextHex()).toBe('0144aa');
    endpoint.abort('over');
  });

  it('whose answers pile up is not read from until it reads', async () => {
    let served = 0;
    const [endpoint, peer] = await endpointAndPeer({
      handler: () => {
        served += 1;
        return { code: '2.05', payload: Buffer.alloc(65_536) };
      },
      limits: { requestsAtOnce: 2, unsentBytes: 1_048_576 },
    });
    peer.stream.pause();
    for (let index = 0; index < 40; index += 1) peer.sendHex('01 01 aa');
    await expect.poll(() => served).toBeGreaterThan(3);
    peer.sendHex('01 01 bb');
    expect(served).toBeLessThan(10);
    peer.stream.resume();
    for (let index = 0; index < 41; index += 1) expect((await peer.next()).payload).toHaveLength(65_536);
    endpoint.abort('over');
  });
});
