import { describe, expect, it } from 'vitest';
import { BodyRoom } from './body-room.js';

const MiB = 1024 * 1024;
const refused = 'Too many large requests are being read at the moment. Try again.';

describe('the room for bodies of entity requests', () => {
  it('is 8 MiB for one peer, and others are not kept out', () => {
    const room = new BodyRoom();
    for (let count = 0; count < 8; count += 1) room.take('device:greedy', MiB);
    expect(() => room.take('device:greedy', MiB)).toThrow(refused);
    room.take('device:modest', MiB);
  });

  it('is 64 MiB for all', () => {
    const room = new BodyRoom();
    for (let count = 0; count < 64; count += 1) room.take(`device:${count}`, MiB);
    expect(() => room.take('device:late', 1)).toThrow(refused);
  });

  it('comes back when a body is not needed any more', () => {
    const room = new BodyRoom();
    const taken = Array.from({ length: 8 }, () => room.take('device:one', MiB));
    for (const giveBack of taken) giveBack();
    for (let count = 0; count < 8; count += 1) room.take('device:one', MiB);
  });
});
