import { describe, expect, it } from 'vitest';
import { EchoFilter } from './echo-filter.js';

describe('an echo of what the registry published', () => {
  const topic = 'te/device/a//';
  const take = (echoes: EchoFilter, payload: string) => echoes.take(topic, Buffer.from(payload));

  it('is known by topic and content, as often as it was published', () => {
    const echoes = new EchoFilter(() => 0);
    echoes.expect(topic, 'x');
    echoes.expect(topic, 'x');
    expect(take(echoes, 'y')).toBe(false);
    expect([take(echoes, 'x'), take(echoes, 'x'), take(echoes, 'x')]).toEqual([true, true, false]);
  });

  it('is the latest only if nothing else was published on its topic after it', () => {
    const echoes = new EchoFilter(() => 0);
    for (const payload of ['first', 'second']) echoes.expect(topic, payload);
    const isLatest = (payload: string) => echoes.isLatest(topic, Buffer.from(payload));
    expect([isLatest('first'), isLatest('second'), isLatest('other')]).toEqual([false, true, false]);
  });

  it('does not hide a message of somebody else when it has not come within a minute', () => {
    let nowMs = 0;
    const echoes = new EchoFilter(() => nowMs);
    echoes.expect(topic, '');
    nowMs = 60_001;
    expect(take(echoes, '')).toBe(false);
  });

  it('does not come any more when the broker has forgotten the subscription', () => {
    const echoes = new EchoFilter(() => 0);
    echoes.expect(topic, 'x');
    echoes.clear();
    expect(take(echoes, 'x')).toBe(false);
  });
});
