import { describe, expect, it } from 'vitest';
import { withLocalTimes } from './local-time.js';

describe('times on a terminal', () => {
  it.each([
    ['Europe/Berlin', '2026-07-01T22:30:00.123Z', '2026-07-02 00:30:00+0200'],
    ['Europe/Berlin', '2026-12-01T22:30:00.000Z', '2026-12-01 23:30:00+0100'],
    ['Asia/Kolkata', '2026-12-01T18:30:00.000Z', '2026-12-02 00:00:00+0530'],
    ['UTC', '2026-12-01T18:30:00.000Z', '2026-12-01 18:30:00+0000'],
  ])('are local in %s, with the zone: %s is %s', (zone, time, shown) => {
    expect(withLocalTimes(`| ${time} |`, zone)).toBe(`| ${shown} |`);
    expect(shown).toHaveLength(time.length);
  });

  it('are shown in the zone of the system when TZ holds what nobody knows', () => {
    expect(withLocalTimes('2026-12-01T18:30:00.000Z', ':nowhere')).toMatch(/^2026-1\d-\d\d \d\d:\d\d:00[+-]\d{4}$/);
  });

  it('are left alone where they are none', () => {
    expect(withLocalTimes('2026-99-01T18:30:00.000Z Zone', 'UTC')).toBe('2026-99-01T18:30:00.000Z Zone');
  });
});
