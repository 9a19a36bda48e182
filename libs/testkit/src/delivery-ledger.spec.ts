import { describe, expect, it } from 'vitest';
import { DeliveryLedger } from './delivery-ledger.js';

function ledgerOf(sequences: readonly number[], topics = 2): DeliveryLedger {
  const ledger = new DeliveryLedger(topics);
  for (const sequence of sequences) ledger.take(sequence);
  return ledger;
}

describe('ledger of deliveries', () => {
  it.each([
    ['in order', [0, 1, 2, 3], { received: 4, duplicates: 0, outOfOrder: 0 }],
    ['with one that comes again', [0, 1, 0, 2], { received: 3, duplicates: 1, outOfOrder: 0 }],
    ['of two topics that overtake each other', [1, 3, 0, 2], { received: 4, duplicates: 0, outOfOrder: 0 }],
    ['of one topic that overtake each other', [2, 0, 1], { received: 3, duplicates: 0, outOfOrder: 1 }],
    ['with a gap', [0, 100_000], { received: 2, duplicates: 0, outOfOrder: 0 }],
  ])('counts messages %s', (_how, sequences, counts) => {
    expect(ledgerOf(sequences)).toMatchObject(counts);
  });

  it('knows which messages have not come', () => {
    const ledger = ledgerOf([0, 2]);
    expect([0, 1, 2, 3].filter((sequence) => !ledger.has(sequence))).toEqual([1, 3]);
  });
});
