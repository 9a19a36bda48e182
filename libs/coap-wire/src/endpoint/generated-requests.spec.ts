import { describe, expect, it } from 'vitest';
import { BlockMemory } from '../blocks/block-memory.js';
import { signalCodes } from '../codes.js';
import { encodeMessage } from '../encode-message.js';
import { CoapError, type CoapResponse, type RequestHandler } from '../exchange.js';
import { anyChunks, anyMessage, broken, Dice } from '../frames.fixture.js';
import { type CoapMessage, type CoapOption, kindOf } from '../message.js';
import { optionNumbers } from '../option-numbers.js';
import { encodeUint } from '../option-values.js';

import { endpointAndPeer, type RawPeer } from './raw-peer.fixture.js';

const connections = 100;
const messagesEach = 40;
const limits = { bodyBytes: 4_096, requestsAtOnce: 3, requestBytes: 2_048 };
const harmlessSignals = [signalCodes.csm, signalCodes.ping, signalCodes.pong, 0xe6] as const;

const one = (number: number, value: Buffer): CoapOption => ({ number, value });

/** Options in their order: paths, blocks of any number and size, observations, and tags. */
function plausibleOptions(dice: Dice): CoapOption[] {
  const maybe = (option: CoapOption) => (dice.roll(2) === 0 ? [option] : []);
  return [
    ...maybe(one(optionNumbers.observe, encodeUint(dice.roll(3)))),
    one(optionNumbers.uriPath, Buffer.from(dice.one(['large', 'small', 'late', 'refuse', 'fail', 'bad']))),
    ...maybe(one(optionNumbers.block2, encodeUint(dice.roll(64)))),
    ...maybe(one(optionNumbers.block1, encodeUint(dice.roll(64)))),
    ...maybe(one(optionNumbers.requestTag, Buffer.from([dice.roll(3)]))),
  ];
}

/** What a peer that knows CoAP sends to find a weakness, and plain noise. */
function hostileMessage(dice: Dice): CoapMessage {
  const payload = dice.bytes(dice.one([0, 16, 16, 32, 64, 1_024, 3_000]));
  switch (dice.roll(8)) {
    case 0:
      return { ...anyMessage(dice), options: [], code: dice.one(harmlessSignals) };
    case 1:
      return { ...anyMessage(dice), code: 0x45 };
    case 2:
      return { ...anyMessage(dice), code: dice.roll(0xe0) };
    default:
      return { code: 1 + dice.roll(5), token: dice.bytes(dice.roll(9)), options: plausibleOptions(dice), payload };
  }
}

const answers: Record<string, () => CoapResponse | Promise<CoapResponse>> = {
  large: () => ({ code: '2.05', payload: Buffer.alloc(4_000) }),
  small: () => ({ code: '2.05', payload: Buffer.from('small') }),
  late: async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return { code: '2.04' };
  },
  refuse: () => {
    throw new CoapError('4.09', 'no');
  },
  fail: () => {
    throw new Error('secret');
  },
  // No answer of ours has it. If one ever did, its connection must live on.
  bad: () => ({ code: '2.01', locationPath: ['a'.repeat(300)] }),
};

const handler: RequestHandler = ({ path: [name = 'small'] }) =>
  (answers[name] ?? answers['small'])?.() ?? { code: '2.05' };

async function answersOf(peer: RawPeer, count: number): Promise<CoapMessage[]> {
  const answers: CoapMessage[] = [];
  while (answers.length < count) {
    const message = await peer.next();
    if (kindOf(message) === 'response') answers.push(message);
  }
  return answers;
}

function tokensOf(messages: readonly CoapMessage[]): string[] {
  return messages.map(({ token }) => token.toString('hex')).toSorted();
}

describe('a peer that sends blocks of any kind', () => {
  it('gets one answer to each request, whatever it sends between them', async () => {
    const dice = new Dice(11);
    const blockMemory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 20_000 });
    for (let count = 0; count < connections; count += 1) {
      const [endpoint, peer] = await endpointAndPeer({ handler, blockMemory, limits });
      const sent = Array.from({ length: messagesEach }, () => hostileMessage(dice));
      for (const chunk of anyChunks(dice, Buffer.concat(sent.map(encodeMessage)))) peer.stream.write(chunk);
      const asked = sent.filter((message) => kindOf(message) === 'request');
      const answered = await answersOf(peer, asked.length);
      expect(tokensOf(answered)).toEqual(tokensOf(asked));
      expect(answered.some(({ payload }) => payload.includes('secret'))).toBe(false);
      expect(peer.unread.filter((message) => kindOf(message) === 'response')).toEqual([]);
      peer.stream.end();
      expect(await endpoint.ended).toBe('peer-closed');
    }
    expect(blockMemory.takenBytes).toBe(0);
  });

  it('is cut for a frame that is none, and leaves nothing behind', async () => {
    const dice = new Dice(12);
    const blockMemory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 20_000 });
    const reasons = new Set<string>();
    for (let count = 0; count < connections; count += 1) {
      const [endpoint, peer] = await endpointAndPeer({ handler, blockMemory, limits });
      const sent = Array.from({ length: messagesEach }, () => encodeMessage(hostileMessage(dice)));
      const spoiled = sent.map((frame) => (dice.roll(10) === 0 ? broken(dice, frame) : frame));
      for (const chunk of anyChunks(dice, Buffer.concat(spoiled))) peer.stream.write(chunk);
      peer.stream.end();
      reasons.add(await endpoint.ended);
    }
    expect([...reasons].filter((reason) => reason !== 'peer-closed' && reason !== 'protocol-error')).toEqual([]);
    expect(blockMemory.takenBytes).toBe(0);
  });
});
