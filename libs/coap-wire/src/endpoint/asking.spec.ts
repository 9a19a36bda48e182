import { describe, expect, it } from 'vitest';
import type { OutgoingRequest } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { endpointAndPeer, type RawPeer } from './raw-peer.fixture.js';

const light: OutgoingRequest = { method: 'GET', path: ['light', '1'] };
const soon = { deadlineMs: 20_000 };
const reply = (peer: RawPeer, { token }: CoapMessage, code: number, payload = ''): void =>
  peer.send({ code, token, payload: Buffer.from(payload) });

describe('our requests', () => {
  it('have path, query, formats and body on the wire', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const body = Buffer.from('a1657374617465f5', 'hex');
    void endpoint
      .request({ method: 'POST', path: ['light', '1'], contentFormat: 10_000, payload: body }, soon)
      .catch(() => undefined);
    expect(await peer.nextHex()).toBe('d4070200000001b56c696768740131122710ffa1657374617465f5');
  });

  it('resolve with the answer of their token', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const answer = endpoint.request(light, soon);
    reply(peer, await peer.next(), 0x45, 'on');
    expect(await answer).toMatchObject({ code: '2.05', payload: Buffer.from('on') });
  });

  it('are sent one after the other', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const answers = [endpoint.request(light, soon), endpoint.request(light, soon)];
    const first = await peer.next();
    peer.sendHex('00 e2');
    expect((await peer.next()).code).toBe(0xe3);
    reply(peer, first, 0x44);
    reply(peer, await peer.next(), 0x45);
    expect((await Promise.all(answers)).map(({ code }) => code)).toEqual(['2.04', '2.05']);
  });

  it('are matched by token when several may be in flight', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { ownRequestsAtOnce: 2 } });
    const answers = [endpoint.request(light, soon), endpoint.request(light, soon)];
    const [first, second] = [await peer.next(), await peer.next()];
    reply(peer, second, 0x45);
    reply(peer, first, 0x44);
    expect((await Promise.all(answers)).map(({ code }) => code)).toEqual(['2.04', '2.05']);
  });

  it('are not answered by a request of the peer with the same token, or by an answer nobody asked for', async () => {
    const [endpoint, peer] = await endpointAndPeer({ handler: () => ({ code: '2.03' }) });
    const answer = endpoint.request(light, soon);
    const asked = await peer.next();
    peer.sendHex('04 45 0000ffff  01 45 01  00 45');
    peer.send({ code: 1, token: asked.token });
    expect((await peer.next()).code).toBe(0x43);
    reply(peer, asked, 0x44);
    expect(await answer).toMatchObject({ code: '2.04' });
  });

  it('give up with 5.04 at their deadline, ignore the late answer, and make room for the next', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    await expect(endpoint.request(light, { deadlineMs: 20 })).rejects.toMatchObject({
      code: '5.04',
      diagnostic: 'the peer did not answer within 20 ms',
    });
    const next = endpoint.request(light, soon);
    reply(peer, await peer.next(), 0x45);
    reply(peer, await peer.next(), 0x44);
    expect(await next).toMatchObject({ code: '2.04' });
  });

  it('give up while they wait for their turn too', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const first = endpoint.request(light, soon);
    await expect(endpoint.request(light, { deadlineMs: 20 })).rejects.toMatchObject({ code: '5.04' });
    reply(peer, await peer.next(), 0x45);
    expect(await first).toMatchObject({ code: '2.05' });
    expect(peer.unread).toEqual([]);
  });

  it('give up with the reason of the signal of the caller', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const stop = new AbortController();
    const answer = endpoint.request(light, { ...soon, signal: stop.signal });
    await peer.next();
    stop.abort(new Error('signed out'));
    await expect(answer).rejects.toThrow('signed out');
  });

  it('fail with 5.03 when the connection ends, also those that wait, and those that come later', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const answers = [endpoint.request(light, soon), endpoint.request(light, soon)].map((answer) =>
      answer.catch(({ code }: { code: string }) => code),
    );
    await peer.next();
    peer.stream.end();
    expect(await Promise.all(answers)).toEqual(['5.03', '5.03']);
    await expect(endpoint.request(light, soon)).rejects.toMatchObject({ code: '5.03' });
  });

  it('fail with 5.02 when a critical option of the answer is unknown', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const answer = endpoint.request(light, soon);
    const { token } = await peer.next();
    peer.send({ code: 0x45, token, options: [{ number: 9, value: Buffer.alloc(0) }] });
    await expect(answer).rejects.toMatchObject({ code: '5.02' });
  });

  it('are refused when too many wait for the peer', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { ownRequestsWaiting: 2 } });
    const answers = [endpoint.request(light, soon), endpoint.request(light, soon)];
    await expect(endpoint.request(light, soon)).rejects.toMatchObject({
      code: '5.03',
      diagnostic: '2 requests wait for this peer already',
    });
    for (const answer of answers) {
      reply(peer, await peer.next(), 0x45);
      await answer;
    }
    const next = endpoint.request(light, soon);
    reply(peer, await peer.next(), 0x45);
    expect(await next).toMatchObject({ code: '2.05' });
  });
});
