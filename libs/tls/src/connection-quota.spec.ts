import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { ConnectionQuota } from './connection-quota.js';
import { defaultLimits } from './limits.js';

const stranger = (isIdle = true) => ({
  isIdle,
  isEvicted: false,
  evict() {
    this.isEvicted = true;
  },
});

function open(limits: Partial<typeof defaultLimits>) {
  let nowMs = 0;
  const quota = new ConnectionQuota({ ...defaultLimits, ...limits }, () => nowMs);
  const enter = (address: string, holder = stranger()) => (quota.acquire(address, holder) ? holder : undefined);
  const wait = (ms: number) => {
    nowMs += ms;
  };
  return { quota, enter, wait };
}

describe('places at an entrance', () => {
  it('are counted for an IPv6 network, whatever address in it is used', () => {
    const { enter } = open({ connectionsPerAddress: 2 });
    const entered = ['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => enter(address) !== undefined);
    expect(entered).toEqual([true, true, false]);
    expect(enter('2001:db8:0:1::1')).toBeDefined();
  });

  it('are free again when any connection of the network has gone', () => {
    const { quota, enter } = open({ connectionsPerAddress: 2 });
    const [, second] = ['2001:db8::1', '2001:db8::2'].map((address) => enter(address));
    if (second !== undefined) quota.release(second);
    expect(enter('2001:db8::3')).toBeDefined();
  });

  it('are counted for handshakes in the same way', () => {
    const { enter } = open({ concurrentHandshakes: 4 });
    const entered = ['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => enter(address) !== undefined);
    expect(entered).toEqual([true, true, false]);
  });

  it('for handshakes are free again when one has arrived', () => {
    const { quota, enter } = open({ concurrentHandshakes: 2 });
    const first = enter('192.0.2.1');
    expect(enter('192.0.2.1')).toBeUndefined();
    if (first !== undefined) quota.endHandshake(first);
    expect(enter('192.0.2.1')).toBeDefined();
  });

  it('are given to a third network when two have filled the handshakes, from the oldest of the most crowded', () => {
    const { enter } = open({ concurrentHandshakes: 4 });
    const [oldest] = ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.2'].map((address) => enter(address));
    expect(enter('192.0.2.3')).toBeDefined();
    expect(oldest?.isEvicted).toBe(true);
  });

  it('stay with networks that have one each: a newcomer has to come back', () => {
    const { enter } = open({ concurrentHandshakes: 4 });
    for (const host of [1, 2, 3, 4]) enter(`192.0.2.${host}`);
    expect(enter('192.0.2.5')).toBeUndefined();
  });

  it('are taken from an idle connection before one that is answered', () => {
    const { quota, enter } = open({ connections: 3 });
    const holders = [stranger(false), stranger(), stranger()];
    for (const holder of holders) {
      enter('192.0.2.1', holder);
      quota.endHandshake(holder);
    }
    expect(enter('192.0.2.2')).toBeDefined();
    expect(holders.map(({ isEvicted }) => isEvicted)).toEqual([false, true, false]);
  });

  it('of a full network go to a newer connection of it once the oldest has been idle for two seconds', () => {
    const { enter, wait } = open({ connectionsPerAddress: 1 });
    const first = enter('192.0.2.1');
    wait(1_999);
    expect(enter('192.0.2.1')).toBeUndefined();
    wait(1);
    expect(enter('192.0.2.1')).toBeDefined();
    expect(first?.isEvicted).toBe(true);
  });

  it('count for the device once it has proved who it is, wherever it comes from', () => {
    const { quota, enter } = open({ connectionsPerAddress: 1, connectionsPerIdentity: 2 });
    const proved = [1, 2, 3].map((host) => {
      const holder = enter(`192.0.2.${host}`);
      return holder !== undefined && quota.identify(holder, deviceId.parse('child01'));
    });
    expect(proved).toEqual([true, true, false]);
    expect(enter('192.0.2.1')).toBeDefined();
  });

  it('stay taken by a connection its device may not have, until it has been told so and has gone', () => {
    const { quota, enter } = open({ connections: 3, connectionsPerAddress: 2, connectionsPerIdentity: 1 });
    const connect = (host: number) => {
      const holder = enter(`192.0.2.${host}`, stranger(false));
      if (holder === undefined) return undefined;
      quota.endHandshake(holder);
      quota.identify(holder, deviceId.parse('child01'));
      return holder;
    };
    const [, , third] = [connect(1), connect(1), connect(1)];
    expect(connect(1)).toBeUndefined();
    if (third !== undefined) quota.release(third);
    expect(connect(1)).toBeDefined();
  });

  it('are taken from the device that holds most, when the entrance is full', () => {
    const { quota, enter } = open({ connections: 4 });
    const connect = (name: string) => {
      const holder = enter('192.0.2.1');
      if (holder === undefined || !quota.identify(holder, deviceId.parse(name))) return undefined;
      quota.endHandshake(holder);
      return holder;
    };
    const [oldest] = ['greedy', 'greedy', 'greedy', 'modest'].map(connect);
    expect(connect('third')).toBeDefined();
    expect(oldest?.isEvicted).toBe(true);
  });
});
