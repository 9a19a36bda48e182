import { openSqliteStore } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { EventJournal } from './event-journal.js';

const dayMs = 24 * 3_600_000;
const subscriptions = [{ topic: 'sallyport/v1/event/x', qos: 1 }] as const;

/** A store, and journals on it as processes that follow each other have them. */
async function openSite() {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ file: directory.file('store.db') });
  return {
    journalAt: (now: number) => new EventJournal({ store, onFault: () => undefined, now: () => now }),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await directory.remove();
    },
  };
}

describe('event journal', () => {
  it.each([31 * dayMs, 3_650 * dayMs])('keeps what waits when the next start is %i ms later', async (laterMs) => {
    await using site = await openSite();
    const before = site.journalAt(0);
    for (const name of ['service/registry', 'service/signer']) await before.saveSession(name, subscriptions);
    await before.record('sallyport/v1/event/x', Buffer.from('revoked'), ['service/signer']);
    const { events, sessions } = await site.journalAt(laterMs).load();
    expect(sessions.map(({ name }) => name).sort()).toEqual(['service/registry', 'service/signer']);
    expect(events.map(({ payload, recipients }) => [String(payload), recipients])).toEqual([
      ['revoked', ['service/signer']],
    ]);
  });

  it('forgets a service that has not come back for 30 days while others have', async () => {
    await using site = await openSite();
    await site.journalAt(0).saveSession('service/removed', subscriptions);
    await site.journalAt(0).record('sallyport/v1/event/x', Buffer.from('x'), ['service/removed']);
    await site.journalAt(31 * dayMs).saveSession('service/signer', subscriptions);
    const { events, sessions } = await site.journalAt(31 * dayMs).load();
    expect(sessions.map(({ name }) => name)).toEqual(['service/signer']);
    expect(events.flatMap(({ recipients }) => recipients)).toEqual([]);
  });
});
