import type { IncomingRequest } from '@sallyport/http-wire';
import { describe, expect, it } from 'vitest';
import { ClientPlaces } from './client-places.js';

/** A request of which only the end of its client is known. */
function waiting() {
  const gone = Promise.withResolvers<void>();
  const request: Pick<IncomingRequest, 'onAbandoned'> = { onAbandoned: (callback) => void gone.promise.then(callback) };
  return { request, leave: () => gone.resolve() };
}

/** As many for everybody, and none kept for who has few. */
function only(each: number) {
  return { all: 1000, each, lastPlaces: 0, few: 0 };
}

describe('the places of a client', () => {
  it('are its own: another client finds as many', () => {
    const places = new ClientPlaces({ requests: only(2) });
    expect(
      [places.tryEnter('a'), places.tryEnter('a'), places.tryEnter('a')].map((place) => place !== undefined),
    ).toEqual([true, true, false]);
    expect(places.tryEnter('b')).toBeDefined();
  });

  it('are given on to those who wait, once for each that leaves', async () => {
    const places = new ClientPlaces({ requests: only(1) });
    const leave = places.tryEnter('a');
    const second = places.enter('a', waiting().request);
    leave?.();
    leave?.();

    await second;
    expect(places.tryEnter('a')).toBeUndefined();
  });

  it('are not waited for by a client that has gone', async () => {
    const places = new ClientPlaces({ requests: only(1) });
    const leave = places.tryEnter('a');
    const { request, leave: go } = waiting();
    const second = places.enter('a', request);
    go();

    await expect(second).rejects.toThrow();
    leave?.();
    expect(places.tryEnter('a')).toBeDefined();
  });

  it('are waited for only so long', async () => {
    const places = new ClientPlaces({ requests: only(1), waitMs: 10 });
    places.tryEnter('a');

    await expect(places.enter('a', waiting().request)).rejects.toMatchObject({ reason: 'proxy-busy', status: 503 });
  });

  it('for WebSockets are not waited for', () => {
    const places = new ClientPlaces({ webSockets: only(1) });
    places.enterWebSocket('a');

    expect(() => places.enterWebSocket('a')).toThrow('This client has too many WebSockets open.');
  });

  it('are left to others by two clients that take all they can get', async () => {
    const places = new ClientPlaces();
    for (const greedy of ['a', 'b']) for (let each = 0; each < 64; each += 1) places.tryEnter(greedy);

    expect(places.tryEnter('a')).toBeUndefined();
    expect([places.tryEnter('c'), places.tryEnter('c')].includes(undefined)).toBe(false);
  });

  it('that somebody else leaves go to the first who may have one more', async () => {
    const places = new ClientPlaces({ requests: { all: 6, each: 3, lastPlaces: 1, few: 1 } });
    const [leave] = [places.tryEnter('a'), places.tryEnter('a'), places.tryEnter('a')];
    const full = places.enter('a', waiting().request);
    const next = places.enter('b', waiting().request);
    await next;
    leave?.();

    await full;
    expect(places.tryEnter('a')).toBeUndefined();
  });

  it('for WebSockets are left to others too', () => {
    const places = new ClientPlaces();
    const greedy = ['a', 'b'].flatMap((client) => Array.from({ length: 192 }, () => client));
    const opened = greedy.filter((client) => {
      try {
        places.enterWebSocket(client);
        return true;
      } catch {
        return false;
      }
    });

    expect(opened.length).toBeLessThan(256);
    expect(() => places.enterWebSocket('c')).not.toThrow();
  });
});
