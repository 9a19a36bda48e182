import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type JsonValue, Outbox, openSqliteStore, type Store } from './index.js';

describe('outbox', () => {
  let directory = '';
  let store: Store;
  const controllers: AbortController[] = [];
  const runs: Promise<void>[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-outbox-'));
    store = await openSqliteStore({ file: join(directory, 'store.db') });
  });
  afterEach(async () => {
    for (const controller of controllers.splice(0)) controller.abort();
    await Promise.all(runs.splice(0));
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  const run = (outbox: Outbox, publish: (topic: string, payload: JsonValue) => Promise<void>, onRetry?: () => void) => {
    const controller = new AbortController();
    controllers.push(controller);
    const running = outbox.run(publish, { signal: controller.signal, ...(onRetry ? { onRetry } : {}) });
    runs.push(running);
    return { controller, running };
  };
  const record = (outbox: Outbox, payload: JsonValue) => store.transaction([], [outbox.record('event/x', payload)]);
  const waiting = async () => (await store.list('outbox/')).entries.length;

  it('publishes what was recorded, in order, and then forgets it', async () => {
    const outbox = new Outbox(store, 'outbox/');
    for (const payload of [1, 2, 3]) await record(outbox, payload);
    const published: JsonValue[] = [];
    run(outbox, async (topic, payload) => {
      published.push([topic, payload]);
    });
    await expect.poll(waiting).toBe(0);
    expect(published).toEqual([
      ['event/x', 1],
      ['event/x', 2],
      ['event/x', 3],
    ]);
  });

  it('publishes what is recorded while it runs', async () => {
    const outbox = new Outbox(store, 'outbox/');
    const published: JsonValue[] = [];
    run(outbox, async (_, payload) => {
      published.push(payload);
    });
    await Promise.all(Array.from({ length: 250 }, (_, index) => record(outbox, index)));
    await expect.poll(waiting).toBe(0);
    expect(published).toEqual(Array.from({ length: 250 }, (_, index) => index));
  });

  it('gives each message its own place, however many are recorded at once', () => {
    const outbox = new Outbox(store, 'outbox/');
    const stamps = Array.from({ length: 1000 }, () => {
      const operation = outbox.record('topic', 1);
      return 'put' in operation ? operation.put.slice(0, 'outbox/'.length + 18) : '';
    });
    expect(new Set(stamps).size).toBe(1000);
    expect(stamps.toSorted()).toEqual(stamps);
  });

  it('publishes nothing of a transaction that was not committed', async () => {
    const outbox = new Outbox(store, 'outbox/');
    const outcome = await store.transaction([{ key: 'device', revision: 3 }], [outbox.record('event/x', 'never')]);
    expect(outcome.committed).toBe(false);
    expect(await waiting()).toBe(0);
  });

  it('publishes after a restart what an earlier process could not', async () => {
    await record(new Outbox(store, 'outbox/'), 'left behind');
    await store.close();
    store = await openSqliteStore({ file: join(directory, 'store.db') });
    const published: JsonValue[] = [];
    run(new Outbox(store, 'outbox/'), async (_, payload) => {
      published.push(payload);
    });
    await expect.poll(() => published).toEqual(['left behind']);
  });

  it('tries a message again until it is taken, and lets no later one pass', async () => {
    const outbox = new Outbox(store, 'outbox/');
    const attempts: JsonValue[] = [];
    const onRetry = vi.fn();
    for (const payload of ['first', 'second']) await record(outbox, payload);
    const publish = async (_: string, payload: JsonValue): Promise<void> => {
      attempts.push(payload);
      if (attempts.length < 3) throw new Error('broker is away');
    };
    run(outbox, publish, onRetry);
    await expect.poll(waiting).toBe(0);
    expect(attempts).toEqual(['first', 'first', 'first', 'second']);
    expect(onRetry).toHaveBeenCalledTimes(2);
  });

  it('publishes a message again when the process died before it was forgotten', async () => {
    const outbox = new Outbox(store, 'outbox/');
    await record(outbox, 'twice');
    const published: JsonValue[] = [];
    const first = run(outbox, (_, payload) => {
      published.push(payload);
      first.controller.abort();
      return Promise.reject(new Error('killed after the broker had it'));
    });
    await first.running;
    run(new Outbox(store, 'outbox/'), async (_, payload) => {
      published.push(payload);
    });
    await expect.poll(() => published).toEqual(['twice', 'twice']);
  });

  it('publishes the other lanes while a message of one is not taken', async () => {
    const outbox = new Outbox(store, 'outbox/');
    for (const [lane, payload] of [
      ['a', 'a1'],
      ['a', 'a2'],
      ['b', 'b1'],
      ['b', 'b2'],
    ] as const)
      await store.transaction([], [outbox.record('event/x', payload, lane)]);
    const published: JsonValue[] = [];
    const refuseOnce = new Set<JsonValue>(['a1']);
    run(outbox, async (_, payload) => {
      if (refuseOnce.delete(payload)) throw new Error('not now');
      published.push(payload);
    });
    await expect.poll(waiting).toBe(0);
    expect(published).toEqual(['b1', 'b2', 'a1', 'a2']);
  });

  it('tells when everything recorded in a lane has been published', async () => {
    const outbox = new Outbox(store, 'outbox/');
    const published: JsonValue[] = [];
    await outbox.settled('a', { deadlineMs: 60_000 });
    await store.transaction([], [outbox.record('event/x', 'a1', 'a'), outbox.record('event/x', 'b1', 'b')]);
    const settled = outbox.settled('a', { deadlineMs: 60_000 }).then(() => published.includes('a1'));
    run(outbox, async (_, payload) => void published.push(payload));
    expect(await settled).toBe(true);
  });

  it('does not wait longer than it is told for a lane that nobody publishes', async () => {
    const outbox = new Outbox(store, 'outbox/');
    await store.transaction([], [outbox.record('event/x', 'a1', 'a')]);
    await expect(outbox.settled('a', { deadlineMs: 1 })).rejects.toMatchObject({ type: 'unavailable' });
    await outbox.settled('b', { deadlineMs: 60_000 });
  });

  it('stops when its signal aborts and leaves the rest for the next run', async () => {
    const outbox = new Outbox(store, 'outbox/');
    for (const payload of [1, 2, 3]) await record(outbox, payload);
    const { controller, running } = run(outbox, async () => controller.abort());
    await running;
    expect(await waiting()).toBe(2);
  });
});
