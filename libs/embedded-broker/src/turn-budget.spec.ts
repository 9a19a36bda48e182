import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TurnBudget, TurnBudgets } from './turn-budget.js';

describe('the part of a turn that an owner may use', () => {
  it('is spent after two milliseconds, and is there again in the next turn', async () => {
    const budget = new TurnBudget();
    budget.spend(1.5);
    expect(budget.isSpent).toBe(false);
    budget.spend(0.5);
    expect(budget.isSpent).toBe(true);
    await nextTurn();
    expect(budget.isSpent).toBe(false);
  });

  it('goes to all connections of the owner, one after the other', async () => {
    const budget = new TurnBudget();
    const turns: string[] = [];
    const flood = (name: string) => () => {
      turns.push(name);
      budget.spend(2);
      budget.wait(flood(name));
    };
    budget.spend(2);
    for (const name of ['a', 'b', 'c']) budget.wait(flood(name));
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    expect(turns.slice(0, 4)).toEqual(['a', 'b', 'c', 'a']);
  });

  it('is shared by the connections of one owner, and forgotten with the last of them', () => {
    const budgets = new TurnBudgets();
    const first = budgets.acquire('device child01');
    expect(budgets.acquire('device child01')).toBe(first);
    expect(budgets.acquire('device child02')).not.toBe(first);
    budgets.release('device child01');
    expect(budgets.acquire('device child01')).toBe(first);
    budgets.release('device child01');
    budgets.release('device child01');
    expect(budgets.acquire('device child01')).not.toBe(first);
  });
});
