import { createHash } from 'node:crypto';

interface Echo {
  readonly key: string;
  readonly untilMs: number;
}

// A rule in both directions is for settings and states, not for streams of measurements.
const mostEchoes = 10_000;

/**
 * Recognises what a broker sends back because the bridge itself published it. Each message that was forwarded stands
 * for one echo, so the same message sent twice on purpose passes.
 *
 * Only for brokers of MQTT 3.1.1: a subscription of MQTT 5 can say that it wants no echo.
 */
export class EchoFilter {
  private readonly expected = new Map<string, number>();
  private order: Echo[] = [];

  constructor(private readonly echoMs: number) {}

  /** A message is going to a broker that will send it back. */
  expect(message: EchoMessage, nowMs: number): void {
    this.forget(nowMs);
    const key = keyOf(message);
    this.expected.set(key, (this.expected.get(key) ?? 0) + 1);
    this.order.push({ key, untilMs: nowMs + this.echoMs });
  }

  /** Whether a message that came is an echo. The echo is then no longer expected. */
  takes(message: EchoMessage, nowMs: number): boolean {
    if (this.expected.size === 0) return false;
    this.forget(nowMs);
    const key = keyOf(message);
    if (!this.expected.has(key)) return false;
    this.drop(key);
    const index = this.order.findIndex((echo) => echo.key === key);
    this.order.splice(index, 1);
    return true;
  }

  private forget(nowMs: number): void {
    const isOver = ({ untilMs }: Echo, place: number): boolean =>
      untilMs <= nowMs || this.order.length - place > mostEchoes;
    const kept = this.order.findIndex((echo, place) => !isOver(echo, place));
    if (kept === 0) return;
    const over = kept < 0 ? this.order.splice(0) : this.order.splice(0, kept);
    for (const { key } of over) this.drop(key);
  }

  private drop(key: string): void {
    const left = (this.expected.get(key) ?? 1) - 1;
    if (left === 0) this.expected.delete(key);
    else this.expected.set(key, left);
  }
}

/** A message as its topic, its flags and its payload. */
export interface EchoMessage {
  readonly topic: Uint8Array;
  readonly qos: number;
  readonly isRetained: boolean;
  readonly payload: Uint8Array;
}

// A hash that nobody can aim: a collision would swallow the message of somebody else.
function keyOf({ topic, qos, isRetained, payload }: EchoMessage): string {
  const head = Buffer.from([topic.length >> 8, topic.length & 0xff, qos, isRetained ? 1 : 0]);
  return createHash('sha256').update(head).update(topic).update(payload).digest('base64');
}
