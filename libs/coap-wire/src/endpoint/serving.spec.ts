import { describe, expect, it } from 'vitest';
import { CoapError, type CoapResponse } from '../exchange.js';
import { endpointAndPeer } from './raw-peer.fixture.js';

const accepted = (): CoapResponse => ({ code: '2.04' });

describe('requests of the peer', () => {
  it('reach the handler with path, query, formats and body', async () => {
    const seen: unknown[] = [];
    const [, peer] = await endpointAndPeer({
      handler: ({ method, path, query, contentFormat, accept, payload }) => {
        seen.push({ method, path, query, contentFormat, accept, payload: payload.toString('hex') });
        return { code: '2.04', contentFormat: 10_000, payload: Buffer.from('a0', 'hex') };
      },
    });
    peer.sendHex('d1 06 02 01 b3 6f6963 02 7264 12 2710 33 613d62 22 2710 ff a0');
    expect(await peer.nextHex()).toBe('514401c22710ffa0');
    expect(seen).toEqual([
      { method: 'POST', path: ['oic', 'rd'], query: ['a=b'], contentFormat: 10_000, accept: 10_000, payload: 'a0' },
    ]);
  });

  it('are answered once each with their tokens when they come byte by byte', async () => {
    const [, peer] = await endpointAndPeer({ handler: accepted });
    const bytes = Buffer.from('51 02 aa b2 7264 ff 01 51 02 bb b2 7264 ff 02'.replaceAll(' ', ''), 'hex');
    for (const byte of bytes) peer.stream.write(Buffer.of(byte));
    expect([await peer.nextHex(), await peer.nextHex()]).toEqual(['0144aa', '0144bb']);
    expect(peer.unread).toEqual([]);
  });

  it('are answered once each with their tokens when 500 come in one piece', async () => {
    const [, peer] = await endpointAndPeer({ handler: accepted });
    const tokens = Array.from({ length: 500 }, (_, index) => index.toString(16).padStart(4, '0'));
    peer.sendHex(tokens.map((token) => `02 02 ${token}`).join(''));
    const answers: string[] = [];
    for (const _ of tokens) answers.push(await peer.nextHex());
    expect(answers).toEqual(tokens.map((token) => `0244${token}`));
  });

  it('are handled so many at once, and the next ones when these are answered', async () => {
    const running: (() => void)[] = [];
    const handler = () => new Promise<CoapResponse>((resolve) => running.push(() => resolve({ code: '2.04' })));
    const [, peer] = await endpointAndPeer({ handler, limits: { requestsAtOnce: 2 } });
    peer.sendHex('01 02 a1 01 02 a2 01 02 a3 01 02 a4');
    await expect.poll(() => running.length).toBe(2);
    running[1]?.();
    expect(await peer.nextHex()).toBe('0144a2');
    await expect.poll(() => running.length).toBe(3);
    for (const answer of running) answer();
    expect([await peer.nextHex(), await peer.nextHex()]).toEqual(['0144a1', '0144a3']);
    await expect.poll(() => running.length).toBe(4);
  });

  it('count with their whole bodies, also those that came in blocks', async () => {
    const running: (() => void)[] = [];
    const handler = () => new Promise<CoapResponse>((resolve) => running.push(() => resolve({ code: '2.04' })));
    const [, peer] = await endpointAndPeer({ handler, limits: { requestBytes: 20 } });
    // 16 bytes and 4 bytes of one body (Block1 0/1/16 and 1/0/16), then a request without a body.
    peer.sendHex(`d1 07 02 a1 d1 0e 08 ff ${'61'.repeat(16)}  81 02 a2 d1 0e 10 ff ${'61'.repeat(4)}  01 02 a3`);
    expect(await peer.nextHex()).toBe('315fa1d10e08');
    await expect.poll(() => running.length).toBe(1);
    peer.sendHex('01 02 a4');
    running[0]?.();
    expect(await peer.nextHex()).toBe('3144a2d10e10');
    await expect.poll(() => running.length).toBe(3);
  });

  it('of a CoapError get its code and its words as diagnostic payload, without Content-Format', async () => {
    const [, peer] = await endpointAndPeer({
      handler: () => {
        throw new CoapError('4.01', 'denied');
      },
    });
    peer.sendHex('01 02 01');
    expect(await peer.nextHex()).toBe('718101ff64656e696564');
  });

  it('get 5.00 without a word of the cause when the handler fails, and the owner learns the cause', async () => {
    const faults: unknown[] = [];
    const [, peer] = await endpointAndPeer({
      handler: () => Promise.reject(new Error('password in /etc/secret')),
      onFault: (fault) => faults.push(fault),
    });
    peer.sendHex('01 02 01');
    const { code, payload } = await peer.next();
    expect([code, payload.toString()]).toEqual([0xa0, 'internal error']);
    expect(faults).toEqual([new Error('password in /etc/secret')]);
  });

  it('get 5.00 when the answer fits no message', async () => {
    const faults: unknown[] = [];
    const [, peer] = await endpointAndPeer({
      handler: () => ({ code: '2.01', locationPath: ['x'.repeat(256)] }),
      onFault: (fault) => faults.push(fault),
    });
    peer.sendHex('01 02 01');
    expect((await peer.next()).code).toBe(0xa0);
    expect(faults).toHaveLength(1);
  });

  it('without a handler get 4.04', async () => {
    const [, peer] = await endpointAndPeer();
    peer.sendHex('01 01 01');
    expect((await peer.next()).code).toBe(0x84);
  });

  it.each([
    ['0.05', '01 05 aa'],
    ['class 1', '01 20 aa'],
    ['class 3', '01 61 aa'],
    ['class 6', '01 c1 aa'],
  ])('with code %s get 4.05', async (_, hex) => {
    const [, peer] = await endpointAndPeer({ handler: accepted });
    peer.sendHex(hex);
    expect((await peer.next()).code).toBe(0x85);
  });

  it('with Uri-Host, Uri-Port and the versions of OCF are served', async () => {
    const [, peer] = await endpointAndPeer({ handler: accepted });
    peer.send({
      code: 1,
      options: [
        { number: 3, value: Buffer.from('hub.example') },
        { number: 7, value: Buffer.from('3d44', 'hex') },
        { number: 11, value: Buffer.from('oic') },
        { number: 2049, value: Buffer.from('0800', 'hex') },
        { number: 2053, value: Buffer.from('0800', 'hex') },
      ],
    });
    expect(await peer.nextHex()).toBe('0044');
  });

  it('with another unknown critical option get 4.02', async () => {
    const [, peer] = await endpointAndPeer({ handler: accepted });
    peer.send({ code: 1, options: [{ number: 2051, value: Buffer.alloc(0) }] });
    expect((await peer.next()).code).toBe(0x82);
  });

  it('see their signal aborted when the connection ends', async () => {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    const [endpoint, peer] = await endpointAndPeer({
      handler: (_, signal) => {
        resolve(signal);
        return new Promise<never>(() => undefined);
      },
    });
    peer.sendHex('01 02 aa');
    const signal = await promise;
    expect(signal.aborted).toBe(false);
    peer.stream.end();
    expect(await endpoint.ended).toBe('peer-closed');
    expect(signal.aborted).toBe(true);
  });

  const lastWord: CoapResponse = { code: '4.01', isLast: true };
  it.each<[string, () => CoapResponse | Promise<CoapResponse>]>([
    ['at once', () => lastWord],
    ['later', async () => lastWord],
  ])('end with the one that is answered for the last time, %s', async (_, answer) => {
    const served: string[] = [];
    const [endpoint, peer] = await endpointAndPeer({
      handler: ({ token }) => {
        served.push(token.toString('hex'));
        return answer();
      },
      limits: { requestsAtOnce: 1 },
    });
    peer.sendHex('01 02 aa 01 02 bb');
    expect(await peer.nextHex()).toBe('0181aa');
    expect(await endpoint.ended).toBe('closed-here');
    expect([served, peer.unread, peer.isFinished]).toEqual([['aa'], [], true]);
  });
});

describe('notifications to the peer', () => {
  it('have the token of the observation, and stop when the connection is gone', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const token = Buffer.from('2222', 'hex');
    const state = Buffer.from('a1657374617465f4', 'hex');
    expect(endpoint.notify(token, { code: '2.05', observe: 2, contentFormat: 10_000, payload: state })).toBe(true);
    expect(await peer.nextHex()).toBe('d2014522226102622710ffa1657374617465f4');
    peer.stream.end();
    await endpoint.ended;
    expect(endpoint.notify(token, { code: '2.05', observe: 3 })).toBe(false);
  });
});
