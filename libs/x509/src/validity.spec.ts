import { describe, expect, it } from 'vitest';
import { endOf, hasBegun, hasEnded } from './index.js';

const certificate = { notBefore: new Date('2026-05-01T00:00:00Z'), notAfter: new Date('2026-06-01T00:00:00Z') };

describe('the validity of a certificate (RFC 5280 §4.1.2.5)', () => {
  it.each([
    ['2026-05-31T23:59:59.999Z', false],
    ['2026-06-01T00:00:00.000Z', false],
    ['2026-06-01T00:00:00.999Z', false],
    ['2026-06-01T00:00:01.000Z', true],
  ])('has ended at %s: %s', (now, ended) => {
    expect(hasEnded(certificate, new Date(now))).toBe(ended);
  });

  it('is the same for a record that holds its dates as text', () => {
    const record = { notBefore: '2026-05-01T00:00:00.000Z', notAfter: '2026-06-01T00:00:00.000Z' };
    const moments = ['2026-06-01T00:00:00.999Z', '2026-06-01T00:00:01Z'].map((now) => new Date(now));
    expect(moments.map((now) => hasEnded(record, now))).toEqual([false, true]);
    expect(hasBegun(record, new Date('2026-04-30T23:59:59Z'))).toBe(false);
  });

  it('ends with the second that notAfter names', () => {
    expect(endOf(certificate)).toEqual(new Date('2026-06-01T00:00:01Z'));
  });

  it.each([
    ['2026-04-30T23:59:59.999Z', false],
    ['2026-05-01T00:00:00.000Z', true],
    ['2026-07-01T00:00:00.000Z', true],
  ])('has begun at %s: %s', (now, begun) => {
    expect(hasBegun(certificate, new Date(now))).toBe(begun);
  });
});
