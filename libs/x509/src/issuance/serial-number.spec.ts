import { describe, expect, it } from 'vitest';
import { newSerialNumber } from '../index.js';
import { SerialNumberPool } from './serial-number.js';

const drawn = 100_000;

describe('serial numbers (RFC 5280 §4.1.2.2)', () => {
  it('have 16 octets, positive, with no leading octet that DER would drop', () => {
    for (let index = 0; index < 1000; index++) expect(newSerialNumber()).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  it('never repeat, and spread their octets evenly', () => {
    const pool = new SerialNumberPool();
    const seen = new Set<string>();
    const counts = new Float64Array(256);
    for (let index = 0; index < drawn; index++) {
      const serial = pool.next();
      seen.add(serial.toString('latin1'));
      for (const octet of serial.subarray(1)) counts[octet] = (counts[octet] ?? 0) + 1;
    }
    expect(seen.size).toBe(drawn);
    const expected = (drawn * 15) / 256;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // With 255 degrees of freedom, one correct run in a billion is above this value.
    expect(chiSquare).toBeLessThan(405);
  });

  it('are taken from the pool as copies, so that the next draw changes none', () => {
    const pool = new SerialNumberPool();
    const first = pool.next();
    const before = first.toString('hex');
    for (let index = 0; index < 2048; index++) pool.next();
    expect(first.toString('hex')).toBe(before);
  });
});
