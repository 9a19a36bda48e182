import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../blocks/block-option.js';
import type { CoapResponse, OutgoingRequest } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { optionNumbers } from '../option-numbers.js';
import { type ReceivedRequest, requestOf } from '../request-of.js';
import { CoapEndpoint, type CoapEndpointOptions } from './coap-endpoint.js';
import { endpointAndPeer, RawPeer } from './raw-peer.fixture.js';

const soon = { deadlineMs: 20_000 };
const light: OutgoingRequest = { method: 'GET', path: ['light', '1'] };
const body = Buffer.from(Array.from({ length: 3_000 }, (_, index) => index % 251));

const observe = { number: optionNumbers.observe, value: Buffer.of(1) };
const empty: CoapMessage = { code: 0, token: Buffer.alloc(0), options: [], payload: Buffer.alloc(0) };
const etag = (hex: string) => ({ number: optionNumbers.etag, value: Buffer.from(hex, 'hex') });
const block1 = (number: number, sizeExponent: number) => ({
  number: optionNumbers.block1,
  value: encodeBlock({ number, hasMore: false, sizeExponent }),
});

/** Two endpoints that are peers of each other. */
async function twoEndpoints(
  one: CoapEndpointOptions,
  other: CoapEndpointOptions,
): Promise<[CoapEndpoint, CoapEndpoint]> {
  const [here, there] = duplexPair();
  const endpoints: [CoapEndpoint, CoapEndpoint] = [new CoapEndpoint(here, one), new CoapEndpoint(there, other)];
  await Promise.all(endpoints.map(({ opened }) => opened));
  return endpoints;
}

function answerBlock(peer: RawPeer, { token }: CoapMessage, block: Block, extra: Partial<CoapMessage> = {}): void {
  const option = { number: optionNumbers.block2, value: encodeBlock(block) };
  peer.send({ code: 0x45, token, payload: Buffer.alloc(16), ...extra, options: [...(extra.options ?? []), option] });
}

/** A peer that takes messages of 1,152 bytes. */
async function smallPeer(): Promise<[CoapEndpoint, RawPeer]> {
  const [here, there] = duplexPair();
  const peer = new RawPeer(there);
  const endpoint = new CoapEndpoint(here);
  await peer.next();
  peer.sendHex('40 e1 22 0480 20');
  await endpoint.opened;
  return [endpoint, peer];
}

async function nextRequest(peer: RawPeer): Promise<ReceivedRequest> {
  return requestOf(await peer.next());
}

describe('bodies larger than the messages of the peer', () => {
  it.each([
    ['with BERT', 2_500],
    ['in blocks of 1,024 bytes', 1_152],
    ['in blocks of 64 bytes', 200],
  ])('go there and come back whole %s', async (_, messageBytes) => {
    const echo = ({ payload }: { payload: Buffer }): CoapResponse => ({ code: '2.04', payload });
    const [endpoint] = await twoEndpoints({ limits: { messageBytes } }, { handler: echo, limits: { messageBytes } });
    const answer = await endpoint.request({ method: 'POST', path: ['echo'], payload: body }, soon);
    expect([answer.code, answer.payload?.equals(body)]).toEqual(['2.04', true]);
  });

  it('go whole to a peer that states no size and takes no blocks, as devices of plgd', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    const endpoint = new CoapEndpoint(here, { handler: () => ({ code: '2.04', payload: body }) });
    peer.sendHex('08 e1 0102030405060708 01 02 aa');
    await peer.next();
    expect((await peer.next()).payload).toHaveLength(3_000);
    endpoint.abort('over');
  });

  it('are refused where the peer takes neither them nor blocks', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    const endpoint = new CoapEndpoint(here, { handler: () => ({ code: '2.04', payload: body }) });
    peer.sendHex('30 e1 22 0800 01 02 aa');
    await endpoint.opened;
    const request = endpoint.request({ method: 'POST', path: ['rd'], payload: body }, soon);
    await expect(request).rejects.toMatchObject({ code: '4.13' });
    await peer.next();
    expect((await peer.next()).code).toBe(0xa0);
    endpoint.abort('over');
  });

  it('begin again with the smaller blocks that the peer names with 4.13', async () => {
    const [endpoint, peer] = await smallPeer();
    const answer = endpoint.request({ method: 'POST', path: ['rd'], payload: body.subarray(0, 1_500) }, soon);
    const first = await nextRequest(peer);
    peer.send({ code: 0x8d, token: first.token, options: [block1(0, 5)] });
    const offsets: number[] = [];
    for (let request = await nextRequest(peer); ; request = await nextRequest(peer)) {
      offsets.push((request.block1?.number ?? 0) * 512);
      peer.send({ code: request.block1?.hasMore ? 0x5f : 0x44, token: request.token });
      if (request.block1?.hasMore !== true) break;
    }
    expect(await answer).toMatchObject({ code: '2.04' });
    expect([first.payload.length, offsets]).toEqual([1_024, [0, 512, 1_024]]);
  });

  it('of answers are fetched block by block', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const answer = endpoint.request({ ...light, query: ['if=oic.if.b'] }, soon);
    answerBlock(peer, await peer.next(), { number: 0, hasMore: true, sizeExponent: 0 });
    const second = await peer.next();
    answerBlock(peer, second, { number: 1, hasMore: false, sizeExponent: 0 }, { payload: Buffer.from('end') });
    expect(requestOf(second)).toMatchObject({
      path: ['light', '1'],
      query: ['if=oic.if.b'],
      block2: { number: 1, hasMore: false, sizeExponent: 0 },
    });
    expect((await answer).payload).toHaveLength(19);
  });

  const full = Buffer.alloc(16);
  it.each<[string, Block, Partial<CoapMessage>, string]>([
    ['another block than asked for', { number: 2, hasMore: true, sizeExponent: 0 }, { payload: full }, '5.02'],
    [
      'an empty block that others follow',
      { number: 1, hasMore: true, sizeExponent: 7 },
      { payload: full.subarray(16) },
      '5.02',
    ],
    ['a block of another length', { number: 1, hasMore: true, sizeExponent: 0 }, { payload: full.subarray(8) }, '5.02'],
    ['a block of another answer', { number: 1, hasMore: false, sizeExponent: 0 }, { options: [etag('02')] }, '5.02'],
    ['an error', { number: 1, hasMore: false, sizeExponent: 0 }, { code: 0x84 }, '5.02'],
  ])('of answers fail when the next block is %s', async (_, block, extra, code) => {
    const [endpoint, peer] = await endpointAndPeer();
    const answer = endpoint.request(light, soon).catch((error: { code: string }) => error.code);
    answerBlock(peer, await peer.next(), { number: 0, hasMore: true, sizeExponent: 0 }, { options: [etag('01')] });
    answerBlock(peer, await peer.next(), block, { options: [etag('01')], ...extra });
    expect(await answer).toBe(code);
  });

  it('of answers are fetched with the options of the request, so that it is not taken for a new one', async () => {
    const [here, there] = duplexPair();
    const peer = new RawPeer(there);
    const endpoint = new CoapEndpoint(here);
    await peer.next();
    peer.sendHex('00 e1');
    const update: OutgoingRequest = {
      ...light,
      method: 'POST',
      payload: Buffer.from('a0', 'hex'),
      contentFormat: 10_000,
    };
    const answer = endpoint.request({ ...update, accept: 10_000, query: ['if=oic.if.rw'] }, soon);
    answerBlock(peer, await peer.next(), { number: 0, hasMore: true, sizeExponent: 0 });
    const next = await peer.next();
    expect(requestOf(next)).toMatchObject({
      method: 'POST',
      path: ['light', '1'],
      query: ['if=oic.if.rw'],
      contentFormat: 10_000,
      accept: 10_000,
      block2: { number: 1, hasMore: false, sizeExponent: 0 },
      payload: Buffer.alloc(0),
    });
    answerBlock(peer, next, { number: 1, hasMore: false, sizeExponent: 0 });
    expect((await answer).payload).toHaveLength(32);
    endpoint.abort('over');
  });

  it('of answers fail when they are larger than the limit', async () => {
    const [endpoint, peer] = await endpointAndPeer({ limits: { bodyBytes: 40 } });
    const answer = endpoint.request(light, soon);
    for (let number = 0; number < 3; number += 1)
      answerBlock(peer, await peer.next(), { number, hasMore: true, sizeExponent: 0 });
    await expect(answer).rejects.toMatchObject({ code: '4.13', diagnostic: 'the answer is larger than 40 bytes' });
  });
});

describe('large notifications', () => {
  it('begin with their first block, and the peer fetches the rest', async () => {
    const limits = { messageBytes: 1_152 };
    const handler = ({ observe }: ReceivedRequest): CoapResponse => ({
      code: '2.05',
      payload: body,
      ...(observe === undefined ? {} : { observe: 1 }),
    });
    const tokens: Buffer[] = [];
    const [endpoint, device] = await twoEndpoints(
      { limits },
      {
        limits,
        handler: (request) => {
          if (request.observe === 0) tokens.push(request.token);
          return handler(request);
        },
      },
    );
    const { promise, resolve } = Promise.withResolvers<CoapResponse>();
    const { first } = await endpoint.observe(light, { ...soon, onNotification: resolve });
    const [token = Buffer.alloc(0)] = tokens;
    device.notify(token, { code: '2.05', observe: 2, payload: body });
    expect([first.payload?.equals(body), (await promise).payload?.equals(body)]).toEqual([true, true]);
  });

  it('are dropped when a newer one comes before their last block', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const texts: string[] = [];
    const pending = endpoint.observe(light, {
      ...soon,
      onNotification: ({ payload }) => void texts.push(`${payload}`),
    });
    const { token } = await peer.next();
    peer.send({ code: 0x45, token, options: [observe] });
    await pending;
    answerBlock(peer, { ...empty, token }, { number: 0, hasMore: true, sizeExponent: 0 }, { options: [observe] });
    const fetching = await peer.next();
    peer.send({ code: 0x45, token, options: [observe], payload: Buffer.from('newer') });
    answerBlock(peer, fetching, { number: 1, hasMore: false, sizeExponent: 0 }, { payload: Buffer.from('older') });
    peer.send({ code: 0x45, token, options: [observe], payload: Buffer.from('newest') });
    await expect.poll(() => texts).toEqual(['newer', 'newest']);
  });

  it('end the observation with 5.02 when their rest cannot be read', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const { promise, resolve } = Promise.withResolvers<CoapResponse>();
    const pending = endpoint.observe(light, { ...soon, onNotification: resolve });
    const { token } = await peer.next();
    peer.send({ code: 0x45, token, options: [observe] });
    await pending;
    answerBlock(peer, { ...empty, token }, { number: 0, hasMore: true, sizeExponent: 0 }, { options: [observe] });
    peer.send({ code: 0x84, token: (await peer.next()).token });
    expect(await promise).toMatchObject({ code: '5.02' });
    expect(await nextRequest(peer)).toMatchObject({ observe: 1, token });
  });

  it('that flood us while the first answer is read end the observation', async () => {
    const [endpoint, peer] = await endpointAndPeer();
    const pending = endpoint.observe(light, { ...soon, onNotification: () => undefined });
    pending.catch(() => undefined);
    const { token } = await peer.next();
    answerBlock(peer, { ...empty, token }, { number: 0, hasMore: true, sizeExponent: 0 }, { options: [observe] });
    const fetching = await peer.next();
    for (let count = 0; count < 65; count += 1) peer.send({ code: 0x45, token, options: [observe] });
    expect(await nextRequest(peer)).toMatchObject({ observe: 1, token });
    answerBlock(peer, fetching, { number: 1, hasMore: false, sizeExponent: 0 });
    await expect(pending).rejects.toMatchObject({ code: '5.02' });
  });
});
