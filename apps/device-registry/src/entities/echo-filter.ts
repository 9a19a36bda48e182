import { createHash } from 'node:crypto';
import { BoundedMap } from '@sallyport/concurrency';

const mostEchoes = 20_000;
// An echo that has not come by then was lost. It must not hide a message of somebody else.
const longestMs = 60_000;

/**
 * Knows what this registry itself published and its own subscription will bring back. An echo must not be taken for a
 * change: it may be older than what is stored.
 */
export class EchoFilter {
  private readonly expected = new BoundedMap<string, { count: number; untilMs: number }>(mostEchoes);
  /** The content published last, by topic. */
  private readonly latest = new BoundedMap<string, string>(mostEchoes);

  constructor(private readonly nowMs: () => number) {}

  /** Call it before the message is published. */
  expect(topic: string, payload: string): void {
    const key = keyOf(topic, Buffer.from(payload));
    this.expected.set(key, { count: this.countOf(key) + 1, untilMs: this.nowMs() + longestMs });
    this.latest.set(topic, key);
  }

  /** Whether this is what the registry published last on its topic. */
  isLatest(topic: string, payload: Buffer): boolean {
    return this.latest.get(topic) === keyOf(topic, payload);
  }

  /** Whether a message is such an echo. Each is one only once. */
  take(topic: string, payload: Buffer): boolean {
    if (this.expected.size === 0) return false;
    const key = keyOf(topic, payload);
    const count = this.countOf(key);
    if (count <= 1) this.expected.delete(key);
    else this.expected.set(key, { count: count - 1, untilMs: this.nowMs() + longestMs });
    return count > 0;
  }

  /** The broker has forgotten the subscription, so none comes any more. */
  clear(): void {
    this.expected.clear();
    this.latest.clear();
  }

  private countOf(key: string): number {
    const found = this.expected.get(key);
    return found === undefined || found.untilMs < this.nowMs() ? 0 : found.count;
  }
}

function keyOf(topic: string, payload: Buffer): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('base64');
}
