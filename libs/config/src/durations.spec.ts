import { describe, expect, it } from 'vitest';
import { certificateValidity, duration, positiveDuration } from './durations.js';

const secondsOf = (text: string) => duration.schema.safeParse(duration.fromText(text)).data;

describe('durations', () => {
  it.each([
    ['0', 0],
    ['90', 90],
    ['60s', 60],
    ['1h 30m', 5400],
    ['1h30m', 5400],
    ['2 days', 172_800],
    ['1w', 604_800],
    ['1M', 2_630_016],
    ['365d', 31_536_000],
    ['1y', 31_557_600],
    ['250ms', 0.25],
    ['1000y', 31_557_600_000],
  ])('reads %s as %d seconds', (text, seconds) => {
    expect(secondsOf(text)).toBe(seconds);
  });

  it.each([
    '',
    ' ',
    '-1',
    '1.5h',
    'h',
    '1 fortnight',
    '1h 30',
    'soon',
    '1001y',
    '99999999999999s',
    'NaN',
    '1h\n'.repeat(60),
  ])('refuses %j', (text) => {
    expect(secondsOf(text)).toBeUndefined();
  });

  it('takes whole seconds as a number in the file, and no fractions', () => {
    expect(duration.schema.safeParse(3600).data).toBe(3600);
    expect(duration.schema.safeParse(0.5).success).toBe(false);
    expect(duration.schema.safeParse(Number.POSITIVE_INFINITY).success).toBe(false);
  });

  it.each([true, ['1h'], { hours: 1 }, new Date(0), 10n])('refuses %s in the file', (value) => {
    expect(duration.schema.safeParse(value).success).toBe(false);
  });

  it('refuses zero where something has to last', () => {
    expect(positiveDuration.schema.safeParse('0s').success).toBe(false);
    expect(positiveDuration.schema.safeParse('1s').data).toBe(1);
  });

  it('takes 10 minutes and no less for a certificate that renews itself', () => {
    expect(certificateValidity.schema.safeParse('10m').data).toBe(600);
    expect(certificateValidity.schema.safeParse('9m 59s').success).toBe(false);
    expect(certificateValidity.schema.safeParse(599).success).toBe(false);
  });
});
