import { describe, expect, it } from 'vitest';
import { Subscriber } from './subscriber.js';

describe('a message whose handler has failed as often as it may', () => {
  it('is not acknowledged while nobody can keep it', async () => {
    let isBrokerAway = true;
    const subscriber = new Subscriber({
      filter: 'a',
      mostFailures: 1,
      handler: () => {
        throw new Error('store is down');
      },
      giveUp: async () => {
        if (isBrokerAway) throw new Error('the broker is away');
      },
    });
    await expect(subscriber.receive({ topic: 'a', payload: Buffer.from('x') })).rejects.toThrow('the broker is away');
    isBrokerAway = false;
    await subscriber.receive({ topic: 'a', payload: Buffer.from('x') });
  });
});
