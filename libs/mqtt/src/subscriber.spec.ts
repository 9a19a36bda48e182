import { Problem, type ProblemType } from '@sallyport/protocol';
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

describe('a message whose handler cannot work now', () => {
  it.each<ProblemType>(['unavailable', 'storage-full'])('is delivered again, however often it is %s', async (type) => {
    const givenUp: unknown[] = [];
    let fault: Error = new Problem(type, 'The store is away.');
    const subscriber = new Subscriber({
      filter: 'a',
      mostFailures: 2,
      handler: () => Promise.reject(fault),
      giveUp: async ({ failures }) => void givenUp.push(failures),
    });
    const receive = () => subscriber.receive({ topic: 'a', payload: Buffer.from('x') });
    for (const _ of [1, 2, 3]) await expect(receive()).rejects.toThrow('will be delivered again');
    expect(givenUp).toEqual([]);
    fault = new Error('it has a fault');
    await expect(receive()).rejects.toThrow('will be delivered again');
    await receive();
    expect(givenUp).toEqual([2]);
  });
});
