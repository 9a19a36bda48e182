import { createHash } from 'node:crypto';
import type { Store } from '@sallyport/store';
import { z } from 'zod';
import type { StoredSubscription } from './broker-session.js';

// A service that has not connected for this long, while another has, was removed or renamed. Nobody needs its messages.
// We compare services with each other, not with the clock: a process that runs for months saves no newer time, and a
// gateway may start with a clock that is years wrong.
const forgottenAfterMs = 30 * 24 * 3_600_000;

const savedSession = z.object({
  name: z.string(),
  subscriptions: z.array(z.object({ topic: z.string(), qos: z.union([z.literal(0), z.literal(1), z.literal(2)]) })),
  savedAt: z.number(),
});
const savedEvent = z.object({ topic: z.string(), payload: z.base64(), recipients: z.array(z.string()) });

export interface SavedSession {
  readonly name: string;
  readonly subscriptions: readonly StoredSubscription[];
}

export interface SavedEvent {
  readonly key: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly recipients: readonly string[];
}

export interface JournalOptions {
  readonly store: Store;
  /** Called when a removal failed. The event is then delivered twice. */
  readonly onFault: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The services' events on disk. An event is written before its publisher gets the PUBACK, and removed when every
 * service that subscribed has acknowledged it. So after a crash an event may be delivered twice, but none is lost.
 */
export class EventJournal {
  private readonly waiting = new Map<string, Set<string>>();
  private readonly removals = new Set<Promise<void>>();
  private sequence = 0;

  constructor(private readonly options: JournalOptions) {}

  /** Reads back what an earlier run left, events in their order; sessions too old are forgotten. */
  async load(): Promise<{ sessions: SavedSession[]; events: SavedEvent[] }> {
    const sessions = await this.loadSessions();
    const known = new Set(sessions.map(({ name }) => name));
    const events: SavedEvent[] = [];
    for await (const { key, value } of this.options.store.listAll('event/')) {
      const { topic, payload, recipients } = savedEvent.parse(value);
      this.sequence = Number(key.slice('event/'.length));
      const left = recipients.filter((name) => known.has(name));
      this.waiting.set(key, new Set(left));
      events.push({ key, topic, payload: Buffer.from(payload, 'base64'), recipients: left });
      if (left.length === 0) this.remove(key);
    }
    return { sessions, events };
  }

  /** Keeps an event for its recipients; resolves to its key when it is on disk. */
  async record(topic: string, payload: Buffer, recipients: readonly string[]): Promise<string> {
    this.sequence += 1;
    const key = `event/${String(this.sequence).padStart(16, '0')}`;
    this.waiting.set(key, new Set(recipients));
    await this.options.store.put(key, { topic, payload: payload.toString('base64'), recipients: [...recipients] });
    return key;
  }

  /** Notes that one recipient has the event, or does not want it any more. The last one removes it. */
  settle(key: string, recipient: string): void {
    const waiting = this.waiting.get(key);
    if (waiting?.delete(recipient) && waiting.size === 0) this.remove(key);
  }

  /** Remembers who subscribed to what, so that events published before it is back are kept for it. */
  async saveSession(name: string, subscriptions: readonly StoredSubscription[]): Promise<void> {
    const savedAt = (this.options.now ?? Date.now)();
    await this.options.store.put(sessionKey(name), { name, subscriptions: subscriptions.map(toJson), savedAt });
  }

  async forgetSession(name: string): Promise<void> {
    await this.options.store.delete(sessionKey(name));
  }

  /** Resolves when every removal under way has ended. */
  async close(): Promise<void> {
    await Promise.all(this.removals);
  }

  private async loadSessions(): Promise<SavedSession[]> {
    const sessions: z.output<typeof savedSession>[] = [];
    for await (const { value } of this.options.store.listAll('session/')) sessions.push(savedSession.parse(value));
    const oldest = Math.max(...sessions.map(({ savedAt }) => savedAt)) - forgottenAfterMs;
    for (const { name } of sessions.filter(({ savedAt }) => savedAt < oldest)) await this.forgetSession(name);
    return sessions.filter(({ savedAt }) => savedAt >= oldest);
  }

  private remove(key: string): void {
    this.waiting.delete(key);
    const removal = this.options.store.delete(key).then(() => undefined, this.options.onFault);
    this.removals.add(removal);
    void removal.finally(() => this.removals.delete(removal));
  }
}

function sessionKey(name: string): string {
  return `session/${createHash('sha256').update(name).digest('hex')}`;
}

function toJson({ topic, qos }: StoredSubscription): { topic: string; qos: 0 | 1 | 2 } {
  return { topic, qos };
}
