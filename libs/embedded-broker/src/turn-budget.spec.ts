import { duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  encodePing,
  inTurns,
  PacketConnection,
  type PublishPacket,
  type TurnBudget,
  TurnBudgets,
  TurnWriter,
} from '@sallyport/mqtt-wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultBrokerLimits } from './limits.js';
import { ManualClient } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

describe('the part of a turn that an owner may use', () => {
  it('is spent after two milliseconds, and is there again in the next turn', async () => {
    const budget = new TurnBudgets().acquire('device child01');
    budget.spend(1.5);
    expect(budget.isSpent).toBe(false);
    budget.spend(0.5);
    expect(budget.isSpent).toBe(true);
    await nextTurn();
    expect(budget.isSpent).toBe(false);
  });

  it('goes to all connections of the owner, one after the other', async () => {
    const budget = new TurnBudgets().acquire('device child01');
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

describe('an owner that floods', () => {
  let now = 0;
  const setUp = () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const budgets = new TurnBudgets(() => now);
    return { flooder: budgets.acquire('flooder'), honest: budgets.acquire('honest') };
  };
  afterEach(() => vi.useRealTimers());

  /** Uses a whole part, and has more; resolves when the turn has ended, after so many milliseconds. */
  async function flood(budget: TurnBudget, turnMs: number): Promise<{ readonly hasResumed: boolean }> {
    const state = { hasResumed: false };
    budget.spend(2);
    budget.wait(() => {
      state.hasResumed = true;
    });
    now += turnMs;
    await nextTurn();
    return state;
  }

  async function serveBriefly(budget: TurnBudget): Promise<void> {
    budget.spend(0.1);
    await nextTurn();
  }

  it('rests for as long as its turn took when another owner is present', async () => {
    const { flooder, honest } = setUp();
    await serveBriefly(honest);
    const state = await flood(flooder, 8);
    vi.advanceTimersByTime(7);
    expect(state.hasResumed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(state.hasResumed).toBe(true);
  });

  it('gets less of a turn while turns are long, and its whole part again when they are short', async () => {
    const { flooder, honest } = setUp();
    await serveBriefly(honest);
    await flood(flooder, 20);
    vi.advanceTimersByTime(20);
    flooder.spend(1);
    expect(flooder.isSpent).toBe(true);
    for (let turn = 0; turn < 4; turn += 1) {
      await flood(flooder, 5);
      vi.advanceTimersByTime(5);
    }
    flooder.spend(1.9);
    expect(flooder.isSpent).toBe(false);
  });

  it('has to pay for what it causes: each byte, for each of its receivers', async () => {
    const { flooder, honest } = setUp();
    await serveBriefly(honest);
    flooder.spendBytes(20 * 64 * 1024);
    expect(flooder.isSpent).toBe(false);
    flooder.spendBytes(20 * 64 * 1024);
    expect(flooder.isSpent).toBe(true);
    now += 8;
    await nextTurn();
    expect(flooder.isSpent).toBe(true);
    vi.advanceTimersByTime(8);
    expect(flooder.isSpent).toBe(false);
  });

  it('does not rest when it is alone, or only beside others that flood', async () => {
    const { flooder, honest } = setUp();
    expect(await flood(flooder, 8)).toEqual({ hasResumed: true });
    await flood(honest, 8);
    expect(await flood(flooder, 8)).toEqual({ hasResumed: true });
    await serveBriefly(honest);
    now += 1_000;
    expect(await flood(flooder, 8)).toEqual({ hasResumed: true });
  });
});

describe('a client beside a flood', () => {
  it('is served while the flood is still being read', async () => {
    const messages = 100_000;
    await using site = await TestBroker.start();
    await using honest = await ManualClient.open(site.broker, { clientId: 'honest', network: '10.0.0.2' });
    await honest.subscribe({ honest: 0 });
    await using flooder = await ManualClient.open(site.broker, { clientId: 'flooder', network: '10.0.0.1' });
    const packet: PublishPacket = {
      type: 'publish',
      topic: 'flood',
      payload: Buffer.from('x'),
      qos: 0,
      retain: false,
      isDuplicate: false,
      packetId: 0,
      properties: undefined,
    };
    flooder.send(...Array.from({ length: messages }, () => packet));
    for (let round = 1; round <= 3; round += 1) {
      honest.publish('honest', String(round));
      while (honest.received.length < round) await nextTurn();
      expect(site.broker.counters.messagesReceived).toBeLessThan(messages);
    }
  });
});

describe('work on many items', () => {
  it('leaves others a turn whenever its owner has used its part of one', async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const worked: number[] = [];
    const budget = new TurnBudgets().acquire('greedy');
    const work = (item: number): boolean => {
      worked.push(item);
      if (item % 50 === 0) budget.spend(2);
      return item < 900;
    };
    await inTurns(
      Array.from({ length: 1_000 }, (_each, index) => index),
      work,
      budget,
    );
    isDone = true;
    expect(worked).toHaveLength(901);
    expect(turns).toBeGreaterThan(15);
  });
});

describe('a connection of an owner that has used its part of a turn', () => {
  it('is read in a later one, however many connections the owner has', async () => {
    const budget = new TurnBudgets().acquire('greedy');
    const [, stream] = duplexPair();
    const packets: string[] = [];
    const user = {
      packet: ({ type }: { readonly type: string }) => packets.push(type),
      writable: () => undefined,
      faulty: (error: Error) => void packets.push(error.message),
      closed: () => undefined,
    };
    new PacketConnection({ stream, limits: defaultBrokerLimits, writer: new TurnWriter(), user, budget });
    budget.spend(2);
    stream.emit('data', Buffer.from('100d00044d51545404020000000163', 'hex'));
    stream.emit('data', encodePing({ type: 'pingreq' }));
    expect(packets).toEqual([]);
    await nextTurn();
    expect(packets).toEqual(['connect', 'pingreq']);
  });
});
