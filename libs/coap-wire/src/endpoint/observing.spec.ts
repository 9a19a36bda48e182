import { describe, expect, it } from 'vitest';
import type { CoapResponse, Observation, OutgoingRequest } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import type { CoapEndpoint } from './coap-endpoint.js';
import { endpointAndPeer, type RawPeer } from './raw-peer.fixture.js';

const light: OutgoingRequest = { method: 'GET', path: ['light', '1'] };
const [register, deregister] = ['', '01'];

const observeOf = ({ options }: CoapMessage): string | undefined =>
  options.find(({ number }) => number === 6)?.value.toString('hex');

function notifyFrom(peer: RawPeer, token: Buffer, observe: number, payload: string): void {
  const options = [{ number: 6, value: observe === 0 ? Buffer.alloc(0) : Buffer.of(observe) }];
  peer.send({ code: 0x45, token, options, payload: Buffer.from(payload) });
}

interface Observed {
  readonly endpoint: CoapEndpoint;
  readonly peer: RawPeer;
  readonly token: Buffer;
  readonly observation: Observation;
  readonly texts: string[];
}

/** An observation that the peer has accepted with `first`. */
async function observed(): Promise<Observed> {
  const [endpoint, peer] = await endpointAndPeer();
  const texts: string[] = [];
  const onNotification = ({ code, payload }: CoapResponse): void => {
    texts.push(code === '2.05' ? `${payload}` : code);
  };
  const pending = endpoint.observe(light, { deadlineMs: 20_000, onNotification });
  const { token } = await peer.next();
  notifyFrom(peer, token, 1, 'first');
  return { endpoint, peer, token, observation: await pending, texts };
}

describe("observation of the peer's resources (RFC 7641)", () => {
  it('registers with Observe 0', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    void endpoint.observe(light, { deadlineMs: 20_000, onNotification: () => undefined }).catch(() => undefined);
    expect(await peer.nextHex()).toBe('94010000000160556c696768740131');
  });

  it('gives the first answer to the caller, and each later one to the listener, in the order of the connection', async () => {
    const { peer, token, observation, texts } = await observed();
    expect(observation.first.payload?.toString()).toBe('first');
    // RFC 8323 §7.1: the number of a notification says nothing here.
    notifyFrom(peer, token, 9, 'second');
    notifyFrom(peer, token, 3, 'third');
    notifyFrom(peer, token, 0, 'fourth');
    await expect.poll(() => texts).toEqual(['second', 'third', 'fourth']);
  });

  it('gives the first answer before notifications that came together with it', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const texts: string[] = [];
    const pending = endpoint
      .observe(light, { deadlineMs: 20_000, onNotification: ({ payload }) => void texts.push(`${payload}`) })
      .then(({ first }) => void texts.push(`${first.payload}`));
    const { token } = await peer.next();
    peer.stream.cork();
    notifyFrom(peer, token, 1, 'first');
    notifyFrom(peer, token, 2, 'second');
    peer.stream.uncork();
    await pending;
    await expect.poll(() => texts).toEqual(['first', 'second']);
  });

  it('lets other requests be sent while it lasts', async () => {
    const { endpoint, peer } = await observed();
    const answer = endpoint.request(light, { deadlineMs: 20_000 });
    const { token } = await peer.next();
    peer.send({ code: 0x44, token });
    expect(await answer).toMatchObject({ code: '2.04' });
  });

  it('is over when the first answer has no Observe option', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const texts: string[] = [];
    const onNotification = ({ payload }: CoapResponse): void => void texts.push(`${payload}`);
    const pending = endpoint.observe(light, { deadlineMs: 20_000, onNotification });
    const { token } = await peer.next();
    peer.send({ code: 0x45, token, payload: Buffer.from('once') });
    const { first, cancel } = await pending;
    notifyFrom(peer, token, 2, 'stray');
    await cancel();
    peer.sendHex('00 e2');
    expect((await peer.next()).code).toBe(0xe3);
    expect([first.observe, texts]).toEqual([undefined, []]);
  });

  it('is over when the peer notifies of an error', async () => {
    const { peer, token, observation, texts } = await observed();
    peer.send({ code: 0x84, token });
    notifyFrom(peer, token, 2, 'stray');
    await expect.poll(() => texts).toEqual(['4.04']);
    await observation.cancel();
    expect(peer.unread).toEqual([]);
  });

  it('is cancelled with Observe 1 and its token; notifications on their way are ignored', async () => {
    const { peer, token, observation, texts } = await observed();
    const cancelled = observation.cancel();
    const request = await peer.next();
    expect([observeOf(request), request.token.equals(token)]).toEqual([deregister, true]);
    notifyFrom(peer, token, 2, 'on its way');
    peer.send({ code: 0x45, token, payload: Buffer.from('last') });
    await cancelled;
    notifyFrom(peer, token, 3, 'stray');
    peer.sendHex('00 e2');
    await peer.next();
    expect(texts).toEqual([]);
  });

  it('is cancelled too when the answer to that has the Observe 1 of the request', async () => {
    const { peer, token, observation } = await observed();
    const cancelled = observation.cancel();
    await peer.next();
    peer.send({ code: 0x45, token, options: [{ number: 6, value: Buffer.of(1) }] });
    await cancelled;
  });

  it('cancels without an error when the connection is gone', async () => {
    const { endpoint, peer, observation } = await observed();
    peer.stream.end();
    await endpoint.ended;
    await observation.cancel();
  });

  it('tells the peer to stop when its first answer came too late', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const pending = endpoint.observe(light, { deadlineMs: 20, onNotification: () => undefined });
    await expect(pending).rejects.toMatchObject({ code: '5.04' });
    expect([observeOf(await peer.next()), observeOf(await peer.next())]).toEqual([register, deregister]);
  });

  it('reports what the listener throws, and goes on', async () => {
    const faults: unknown[] = [];
    const [endpoint, peer] = await endpointAndPeer({ onFault: (fault) => faults.push(fault) });
    const onNotification = (): void => {
      throw new Error('listener broke');
    };
    const pending = endpoint.observe(light, { deadlineMs: 20_000, onNotification });
    const { token } = await peer.next();
    notifyFrom(peer, token, 1, 'first');
    await pending;
    notifyFrom(peer, token, 2, 'second');
    notifyFrom(peer, token, 3, 'third');
    await expect.poll(() => faults.length).toBe(2);
  });
});
