import { setImmediate as nextTurn } from 'node:timers/promises';
import { TurnBudgets } from '@sallyport/mqtt-wire';
import { describe, expect, it } from 'vitest';
import { noJournal } from './broker-journal.js';
import { defaultBrokerLimits } from './limits.js';
import { RetainedBacklog } from './retained-backlog.js';
import { RetainedMessage, RetainedMessages } from './retained-messages.js';
import { Shares } from './share.js';

const subscription = { filter: 'a', qos: 0, noLocal: false, retainAsPublished: false, identifier: undefined } as const;

function retainedSite() {
  const shares = new Shares(defaultBrokerLimits);
  const retained = new RetainedMessages({
    journal: noJournal,
    holdShare: (owner) => shares.hold(owner),
    releaseShare: (share) => shares.release(share),
  });
  const message = { topic: 'a', payload: Buffer.from('x'), qos: 0, properties: undefined } as const;
  retained.keep(new RetainedMessage(message, 'device-peer/greedy', 1, 0));
  return new RetainedBacklog(retained, () => 0);
}

describe('the retained messages of a subscription', () => {
  it('wait for the next turn when the owner has used its part of this one, over all of its connections', async () => {
    const backlog = retainedSite();
    const budget = new TurnBudgets().acquire('greedy');
    backlog.add(subscription, 1, () => true);
    budget.spend(2);
    expect(backlog.next(budget)).toBeUndefined();
    const asked: string[] = [];
    backlog.whenReady(() => void asked.push('again'), budget);
    backlog.whenReady(() => void asked.push('again'), budget);
    expect(asked).toEqual([]);
    await nextTurn();
    expect(asked).toEqual(['again']);
    expect(backlog.next(budget)?.message.topic).toBe('a');
  });
});
