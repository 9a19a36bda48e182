import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { SaveBarrier } from './save-barrier.js';

const pingResponse = Buffer.from('d000', 'hex');

/** A barrier whose broker answers pings when the test says so. */
function openBarrier() {
  const brokers: Duplex[] = [];
  let pings = 0;
  const outcomes: string[] = [];
  const barrier = new SaveBarrier(async () => {
    const [ours, broker] = duplexPair();
    broker.on('data', ({ length }: Buffer) => {
      pings += length / 2;
    });
    brokers.push(broker);
    return ours;
  });
  return {
    outcomes,
    get pings() {
      return pings;
    },
    broker: () => waitFor(() => brokers.at(-1)),
    hold: (name: string) =>
      barrier.hold({
        pass: () => void outcomes.push(`${name} passed`),
        drop: () => void outcomes.push(`${name} dropped`),
      }),
  };
}

describe('what the broker sends, while the door waits until it has saved', () => {
  it('is passed on when the ping behind it is answered, in order, with one ping at a time', async () => {
    const site = openBarrier();
    site.hold('one');
    site.hold('two');
    await waitFor(() => site.pings === 1);
    site.hold('three');
    await nextTurn();
    expect([site.pings, site.outcomes]).toEqual([1, []]);
    const broker = await site.broker();
    broker.write(pingResponse);
    await waitFor(() => site.pings === 2);
    expect(site.outcomes).toEqual(['one passed', 'two passed']);
    broker.write(pingResponse);
    await waitFor(() => site.outcomes.length === 3);
    expect(site.outcomes.at(-1)).toBe('three passed');
  });

  it.each([
    ['goes', (broker: Duplex) => broker.end()],
    ['sends what is no MQTT', (broker: Duplex) => broker.write('HTTP/1.1 400\r\n')],
  ])('is never passed on when the broker %s before it answers', async (_how, act) => {
    const site = openBarrier();
    site.hold('one');
    await waitFor(() => site.pings === 1);
    act(await site.broker());
    await waitFor(() => site.outcomes.length > 0);
    expect(site.outcomes).toEqual(['one dropped']);
  });

  it('is asked for on a new connection after the broker has come back', async () => {
    const site = openBarrier();
    site.hold('one');
    await waitFor(() => site.pings === 1);
    (await site.broker()).end();
    await waitFor(() => site.outcomes.length === 1);
    site.hold('two');
    await waitFor(() => site.pings === 2);
    (await site.broker()).write(pingResponse);
    await waitFor(() => site.outcomes.length === 2);
    expect(site.outcomes).toEqual(['one dropped', 'two passed']);
  });

  it('is dropped when the broker cannot be reached', async () => {
    const outcomes: string[] = [];
    const barrier = new SaveBarrier(async () => {
      throw new Error('connection refused');
    });
    barrier.hold({ pass: () => void outcomes.push('passed'), drop: () => void outcomes.push('dropped') });
    await waitFor(() => outcomes.length > 0);
    expect(outcomes).toEqual(['dropped']);
  });
});
