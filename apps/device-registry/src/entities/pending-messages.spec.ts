import { topicId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { PendingMessages } from './pending-messages.js';

const id = (device: string) => topicId.parse(`device/${device}//`);

function message(device: string, topic = `te/device/${device}//`, payload = 'x') {
  return { topic, payload: Buffer.from(payload), isRetained: true, from: id(device) };
}

describe('messages that wait for an entity', () => {
  it('come in the order in which they were held, and only once', () => {
    const pending = new PendingMessages();
    for (const device of ['b', 'c', 'd']) pending.hold(id('a'), message(device));
    expect(pending.release(id('a')).map(({ from }) => from)).toEqual([id('b'), id('c'), id('d')]);
    expect(pending.release(id('a'))).toEqual([]);
  });

  it('are replaced by later ones of their topic', () => {
    const pending = new PendingMessages();
    pending.hold(id('a'), message('b', 'te/device/b//', 'first'));
    pending.hold(id('a'), message('c'));
    pending.hold(id('a'), message('b', 'te/device/b//', 'second'));
    expect(pending.release(id('a')).map(({ payload }) => String(payload))).toEqual(['x', 'second']);
  });

  it('of one device are no more than 100, and others are not kept out', () => {
    const pending = new PendingMessages();
    const held = Array.from({ length: 101 }, (_, index) => pending.hold(id('a'), message('b', `te/${index}`)));
    expect(held.filter((isHeld) => isHeld)).toHaveLength(100);
    expect(pending.hold(id('a'), message('c'))).toBe(true);
    pending.release(id('a'));
    expect(pending.hold(id('a'), message('b'))).toBe(true);
  });

  it('of one device are no more than 1 MiB, and others are not kept out', () => {
    const pending = new PendingMessages();
    const half = 'x'.repeat(512 * 1024);
    const held = Array.from({ length: 9 }, (_, index) => pending.hold(id('a'), message('b', `te/${index}`, half)));
    expect(held.filter((isHeld) => isHeld)).toHaveLength(2);
    expect(pending.hold(id('a'), message('c', 'te/device/c//', half))).toBe(true);
    pending.release(id('a'));
    expect(pending.hold(id('a'), message('b', 'te/device/b//', half))).toBe(true);
  });

  it.each([
    ['2,000 messages', 2_000, 'x'],
    ['8 MiB', 8, 'x'.repeat(1024 * 1024)],
  ])('are no more than %s of all devices', (_limit, most, payload) => {
    const pending = new PendingMessages();
    for (let count = 0; count < most; count += 1)
      expect(pending.hold(id('a'), message(`d${count}`, `te/device/d${count}//`, payload))).toBe(true);
    expect(pending.hold(id('a'), message('late'))).toBe(false);
  });
});
