import type { IncomingRequest } from '@sallyport/http-wire';
import { describe, expect, it } from 'vitest';
import { ClientPlaces } from './client-places.js';

/** A request of which only the end of its client is known. */
function waiting() {
  const gone = Promise.withResolvers<void>();
  const request: Pick<IncomingRequest, 'onAbandoned'> = { onAbandoned: (callback) => void gone.promise.then(callback) };
  return { request, leave: () => gone.resolve() };
}

describe('the places of a client', () => {
  it('are its own: another client finds as many', () => {
    const places = new ClientPlaces({ requests: 2 });
    expect(
      [places.tryEnter('a'), places.tryEnter('a'), places.tryEnter('a')].map((place) => place !== undefined),
    ).toEqual([true, true, false]);
    expect(places.tryEnter('b')).toBeDefined();
  });

  it('are given on to those who wait, once for each that leaves', async () => {
    const places = new ClientPlaces({ requests: 1 });
    const leave = places.tryEnter('a');
    const second = places.enter('a', waiting().request);
    leave?.();
    leave?.();

    await second;
    expect(places.tryEnter('a')).toBeUndefined();
  });

  it('are not waited for by a client that has gone', async () => {
    const places = new ClientPlaces({ requests: 1 });
    const leave = places.tryEnter('a');
    const { request, leave: go } = waiting();
    const second = places.enter('a', request);
    go();

    await expect(second).rejects.toThrow();
    leave?.();
    expect(places.tryEnter('a')).toBeDefined();
  });

  it('are waited for only so long', async () => {
    const places = new ClientPlaces({ requests: 1, waitMs: 10 });
    places.tryEnter('a');

    await expect(places.enter('a', waiting().request)).rejects.toMatchObject({ reason: 'proxy-busy', status: 503 });
  });

  it('for WebSockets are not waited for', () => {
    const places = new ClientPlaces({ webSockets: 1 });
    places.enterWebSocket('a');

    expect(() => places.enterWebSocket('a')).toThrow('This client has too many WebSockets open.');
  });
});
