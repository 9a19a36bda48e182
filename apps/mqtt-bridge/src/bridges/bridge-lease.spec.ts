import { Problem } from '@sallyport/protocol';
import { openSqliteStore, type Store } from '@sallyport/store';
import { type TemporaryDirectory, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BridgeLease } from './bridge-lease.js';

const pace = { lifetimeSeconds: 1, renewEveryMs: 50, giveUpAfterMs: 400, lookEveryMs: 50 };

let directory: TemporaryDirectory;
let store: Store;
/** What the replicas did, in order. */
let events: string[];
let leases: BridgeLease[];

beforeEach(async () => {
  directory = temporaryDirectory('sp-');
  store = await openSqliteStore({ file: directory.file('store.db') });
  events = [];
  leases = [];
});

afterEach(async () => {
  for (const lease of leases) await lease.stop();
  await store.close();
  await directory.remove();
});

/** The store as one replica reaches it. */
function reachable(): { store: Store; cut: () => void; hang: () => void; heal: () => void } {
  let isCut = false;
  let hanging: PromiseWithResolvers<never> | undefined;
  const guarded = new Proxy(store, {
    get: (target, name, receiver) => {
      const isRequest = name === 'get' || name === 'put' || name === 'delete';
      if (isRequest && isCut)
        return async () => {
          throw new Problem('unavailable', 'The store does not answer.');
        };
      if (isRequest && hanging !== undefined) return () => hanging?.promise;
      const member: unknown = Reflect.get(target, name, receiver);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return {
    store: guarded,
    cut: () => {
      isCut = true;
    },
    hang: () => {
      hanging = Promise.withResolvers();
    },
    heal: () => {
      isCut = false;
      hanging?.reject(new Problem('unavailable', 'The store has not answered.'));
      hanging = undefined;
    },
  };
}

function lease(holder: string, own: Store = store, onHeld = async (): Promise<void> => undefined): BridgeLease {
  const made = new BridgeLease({
    store: own,
    name: 'bridge',
    holder,
    pace,
    onHeld: async () => {
      events.push(`${holder} starts`);
      await onHeld();
    },
    onLost: async () => void events.push(`${holder} stops`),
    onFault: () => undefined,
  });
  leases.push(made);
  made.start();
  return made;
}

describe('the lease of a bridge', () => {
  it('is held by one replica, and goes to the next when that one stops', async () => {
    const first = lease('a');
    await waitFor(() => first.isHeld);
    const second = lease('b');
    await first.stop();
    await waitFor(() => second.isHeld);
    expect(events).toEqual(['a starts', 'a stops', 'b starts']);
  });

  it('goes to another replica when its holder says nothing any more', async () => {
    await store.put('lease/bridge', { holder: 'crashed' }, { ttlSeconds: 1 });
    const next = lease('b');
    await waitFor(() => next.isHeld);
    expect(events).toEqual(['b starts']);
  });

  it('belongs to a replica that has crashed and started again', async () => {
    await store.put('lease/bridge', { holder: 'a' }, { ttlSeconds: 3_600 });
    const again = lease('a');
    await waitFor(() => again.isHeld);
  });

  it('is given up by a holder that cannot reach the store, before another one can have it', async () => {
    const way = reachable();
    const first = lease('a', way.store);
    await waitFor(() => first.isHeld);
    const second = lease('b');
    way.cut();
    await waitFor(() => second.isHeld);
    expect(events).toEqual(['a starts', 'a stops', 'b starts']);
  });

  it('is given up by a holder whose store takes its requests and does not answer', async () => {
    const way = reachable();
    const first = lease('a', way.store);
    await waitFor(() => first.isHeld);
    const second = lease('b');
    way.hang();
    await waitFor(() => second.isHeld);
    expect(events).toEqual(['a starts', 'a stops', 'b starts']);
    way.heal();
  });

  it('stays with a holder that cannot reach the store for a moment', async () => {
    const way = reachable();
    const first = lease('a', way.store);
    await waitFor(() => first.isHeld);
    way.cut();
    const before = (await store.get('lease/bridge'))?.revision ?? 0;
    way.heal();
    await waitFor(async () => ((await store.get('lease/bridge'))?.revision ?? 0) > before);
    expect(events).toEqual(['a starts']);
  });

  it('is given back by a replica that cannot start, which tries again', async () => {
    let failures = 2;
    lease('a', store, async () => {
      if (failures-- > 0) throw new Error('no room');
    });
    const again = ['a starts', 'a stops', 'a starts', 'a stops', 'a starts'];
    await waitFor(() => events.length === again.length);
    expect(events).toEqual(again);
  });

  it('is lost when somebody else has written it', async () => {
    const first = lease('a');
    await waitFor(() => first.isHeld);
    await store.put('lease/bridge', { holder: 'b' });
    await waitFor(() => !first.isHeld);
    expect(events).toEqual(['a starts', 'a stops']);
  });
});
