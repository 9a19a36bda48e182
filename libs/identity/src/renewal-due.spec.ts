import { describe, expect, it } from 'vitest';
import { isRenewalLate, needsRenewal, renewalDueAt } from './renewal-due.js';

const day = 86_400;
const certificate = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2026-04-01T00:00:00Z') };

describe('a certificate of 90 days', () => {
  it('is due for renewal after 60 of them', () => {
    expect(renewalDueAt(certificate)).toEqual(new Date('2026-03-02T00:00:00Z'));
  });

  it.each([
    ['2025-12-31T23:59:59Z', true],
    ['2026-01-01T00:00:00Z', false],
    ['2026-03-01T23:59:59Z', false],
    ['2026-03-02T00:00:00Z', true],
    ['2026-05-01T00:00:00Z', true],
  ])('at %s needs renewal: %s', (now, expected) => {
    expect(needsRenewal(certificate, new Date(now))).toBe(expected);
  });

  it.each([
    ['2025-12-31T23:59:59Z', true],
    ['2026-03-21T23:59:59Z', false],
    ['2026-03-22T00:00:00Z', true],
    ['2026-05-01T00:00:00Z', true],
  ])('at %s with a minimum of 10 days needs renewal: %s', (now, expected) => {
    expect(needsRenewal(certificate, new Date(now), 10 * day)).toBe(expected);
  });

  it.each([
    ['2025-12-31T23:59:59Z', true],
    ['2026-03-02T00:00:00Z', false],
    ['2026-03-16T23:59:59Z', false],
    ['2026-03-17T00:00:00Z', true],
  ])('that renews itself is late at %s: %s', (now, expected) => {
    expect(isRenewalLate(certificate, new Date(now))).toBe(expected);
  });
});
