import { describe, expect, it } from 'vitest';
import { contentFormats } from './codes.js';
import { encodeMessage } from './encode-message.js';
import { FrameReader } from './frame-reader.js';
import type { CoapMessage } from './message.js';
import { abortMessage, csmMessage, pingMessage, pongMessage, releaseMessage } from './signals.js';
import { messageOfRequest, messageOfResponse } from './to-message.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function onlyMessage(frame: Buffer): CoapMessage {
  const reader = new FrameReader({ largestBytes: 262_144 });
  reader.push(frame);
  const message = reader.next();
  expect(reader.next()).toBeUndefined();
  expect(reader.isBetweenFrames).toBe(true);
  if (message === undefined) throw new Error('the frame holds no whole message');
  return message;
}

const written: [string, CoapMessage, string][] = [
  ['our CSM', csmMessage({ maxMessageBytes: 262_144 }), '50e12304000020'],
  ["libcoap's CSM", csmMessage({ maxMessageBytes: 8_388_864 }), '50e12380010020'],
  ['a Ping', pingMessage(hex('aabb')), '02e2aabb'],
  ['a Pong', pongMessage(hex('aabb')), '02e3aabb'],
  ['a Release', releaseMessage(), '00e4'],
  ['an Abort', abortMessage({ diagnostic: '' }), '00e5'],
  ['an Abort for option 5 of a CSM', abortMessage({ diagnostic: 'no', badCsmOption: 5 }), '50e52105ff6e6f'],
  [
    'the answer to a sign-in',
    messageOfResponse(
      { code: '2.04', contentFormat: contentFormats.ocfCbor, payload: hex('a16965787069726573696e20') },
      { token: hex('01') },
    ),
    'd1034401c22710ffa16965787069726573696e20',
  ],
  [
    'the answer to a sign-out',
    messageOfResponse(
      { code: '2.04', contentFormat: contentFormats.ocfCbor, payload: hex('a0') },
      { token: hex('01') },
    ),
    '514401c22710ffa0',
  ],
  ['the answer to a sign-off', messageOfResponse({ code: '2.02' }, { token: hex('01') }), '014201'],
  [
    'a refusal in words',
    messageOfResponse({ code: '4.01', payload: Buffer.from('denied') }, { token: hex('01') }),
    '718101ff64656e696564',
  ],
  [
    'the start of an observation',
    messageOfRequest({ method: 'GET', path: ['light', '1'] }, { token: hex('2222'), observe: 0 }),
    '9201222260556c696768740131',
  ],
  [
    'the end of an observation',
    messageOfRequest({ method: 'GET', path: ['light', '1'] }, { token: hex('2222'), observe: 1 }),
    'a20122226101556c696768740131',
  ],
  [
    "a question for the device's links",
    messageOfRequest({ method: 'GET', path: ['oic', 'res'], query: ['if=oic.if.ll'] }, { token: hex('11') }),
    'd1080111b36f6963037265734c69663d6f69632e69662e6c6c',
  ],
  [
    'an update',
    messageOfRequest(
      {
        method: 'POST',
        path: ['light', '1'],
        contentFormat: contentFormats.ocfCbor,
        payload: hex('a1657374617465f5'),
      },
      { token: hex('333333') },
    ),
    'd30702333333b56c696768740131122710ffa1657374617465f5',
  ],
  [
    'a notification',
    messageOfResponse(
      { code: '2.05', observe: 2, contentFormat: contentFormats.ocfCbor, payload: hex('a1657374617465f4') },
      { token: hex('2222') },
    ),
    'd2014522226102622710ffa1657374617465f4',
  ],
  [
    'a question for the time',
    messageOfRequest(
      { method: 'GET', path: ['x.plgd.dev', 'time'], accept: contentFormats.ocfCbor },
      { token: hex('01') },
    ),
    'd1060101ba782e706c67642e6465760474696d65622710',
  ],
];

describe('frames of CoAP over TCP, byte for byte (RFC 8323 §3.2)', () => {
  it.each(written)('writes and reads %s', (_, message, frame) => {
    expect(encodeMessage(message).toString('hex')).toBe(frame);
    expect(onlyMessage(hex(frame))).toEqual(message);
  });

  it.each([
    [0, 'c10201ff', 11],
    [1, 'd1000201ff', 12],
    [2, 'd1ff0201ff', 267],
    [3, 'e100000201ff', 268],
    [4, 'e1ffff0201ff', 65_803],
    [5, 'f1000000000201ff', 65_804],
  ])('writes and reads the length of a body at border %i', (_, head, payloadBytes) => {
    const message = messageOfRequest(
      { method: 'POST', path: [], payload: Buffer.alloc(payloadBytes, 0x61) },
      { token: hex('01') },
    );
    const frame = encodeMessage(message);
    expect(frame.subarray(0, head.length / 2).toString('hex')).toBe(head);
    expect(frame).toHaveLength(head.length / 2 + payloadBytes);
    expect(onlyMessage(frame)).toEqual(message);
  });
});
