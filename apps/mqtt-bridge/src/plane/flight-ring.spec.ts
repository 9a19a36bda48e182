import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlightRing } from './flight-ring.js';

function takenFrom(ring: FlightRing): number[] {
  const ids: number[] = [];
  while (ring.take()) ids.push(ring.takenId);
  return ids;
}

describe('the ring of messages in flight', () => {
  it.each([
    [1, 2],
    [20, 32],
    [4_096, 4_096],
    [100_000, 32_768],
  ])('has room for %d messages in %d slots', (messages, slots) => {
    expect(new FlightRing(messages).capacity).toBe(slots);
  });

  it('gives back messages in the order in which they came, whatever is done first', () => {
    const property = fc.property(fc.array(fc.nat(15), { maxLength: 300 }), (picks) => {
      const ring = new FlightRing(16);
      const underWay: number[] = [];
      const given: number[] = [];
      let next = 1;
      for (const pick of picks) {
        if (!ring.isFull) underWay.push(ring.add(next++, 1, 0));
        const [slot] = underWay.length > 8 ? underWay.splice(pick % underWay.length, 1) : [];
        if (slot !== undefined) ring.markDone(slot);
        given.push(...takenFrom(ring));
        expect(ring.inFlight).toBe(underWay.length);
      }
      for (const slot of underWay) ring.markDone(slot);
      given.push(...takenFrom(ring));
      expect(given).toEqual(Array.from({ length: next - 1 }, (_, index) => index + 1));
    });
    fc.assert(property, { seed: 1, numRuns: 200 });
  });

  it('never has two messages in one slot', () => {
    const ring = new FlightRing(4);
    const slots = [1, 2, 3, 4].map((id) => ring.add(id, 1, 0));
    expect(new Set(slots).size).toBe(4);
    expect(ring.isFull).toBe(true);
    ring.markDone(slots[1] ?? 0);
    expect(takenFrom(ring)).toEqual([]);
    expect(ring.isFull).toBe(true);
  });

  it('tells the age of the oldest message, and whether it was overtaken', () => {
    const ring = new FlightRing(4);
    const first = ring.add(1, 1, 100);
    ring.add(2, 1, 200);
    expect([ring.oldestSentAt, ring.oldestSlot, ring.isOvertaken]).toEqual([100, first, false]);
    ring.noteOvertaken();
    expect(ring.isOvertaken).toBe(true);
    ring.markDone(first);
    expect(takenFrom(ring)).toEqual([1]);
    expect([ring.oldestSentAt, ring.isOvertaken]).toEqual([200, false]);
  });
});
