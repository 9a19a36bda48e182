import { createHash } from 'node:crypto';
import { filterMatches, isServiceTopic } from '@sallyport/protocol';
import type { Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type StoredPacket, sizeOf } from './broker-session.js';

// Retained messages are states that are published again. Losing one second of them in a crash costs less than a write
// for each message.
const flushEveryMs = 1_000;
const operationsPerFlush = 100;
// In base64 and JSON this stays below what one value of the store may hold (1 MiB).
const largestSavedBytes = 700 * 1024;

const savedMessage = z.object({
  topic: z.string(),
  payload: z.base64(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
});

/** For topics of the network. Topics of the services have as much room of their own. */
export interface RetainedLimits {
  readonly retainedMessages: number;
  readonly retainedBytes: number;
}

/** What the kept messages of some topics use. */
interface Usage {
  messages: number;
  bytes: number;
}

export interface RetainedOptions {
  readonly limits: RetainedLimits;
  /** Without it retained messages are lost when the process ends. */
  readonly store?: Store | undefined;
  readonly onFault: (error: unknown) => void;
}

/** The last message of each topic that was published to be kept; written to disk within a second. */
export class RetainedMessages {
  private readonly messages = new Map<string, StoredPacket>();
  private readonly unsaved = new Set<string>();
  /** Counted apart: clients of the network must not take the room that services need for their dead letters. */
  private readonly ofServices: Usage = { messages: 0, bytes: 0 };
  private readonly ofNetwork: Usage = { messages: 0, bytes: 0 };
  private isClosing = false;
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(private readonly options: RetainedOptions) {}

  async load(): Promise<void> {
    const { store } = this.options;
    if (store === undefined) return;
    for await (const { value } of store.listAll('retained/')) this.restore(value);
  }

  /**
   * Keeps a message, or with an empty payload forgets the one of its topic [MQTT-3.3.1-10].
   *
   * @returns false when there is no room for another
   */
  keep(packet: StoredPacket & { readonly topic: string }): boolean {
    const { topic, payload = Buffer.alloc(0) } = packet;
    const usage = this.usageOf(topic);
    const former = this.messages.get(topic);
    const isNew = former === undefined && payload.length > 0;
    const bytes = usage.bytes - (former === undefined ? 0 : sizeOf(former)) + (payload.length > 0 ? sizeOf(packet) : 0);
    const { retainedMessages, retainedBytes } = this.options.limits;
    if (isNew && usage.messages >= retainedMessages) return false;
    if (payload.length > 0 && bytes > retainedBytes) return false;
    usage.bytes = bytes;
    usage.messages += Number(payload.length > 0) - Number(former !== undefined);
    if (payload.length === 0) this.messages.delete(topic);
    else this.messages.set(topic, { ...packet });
    this.saveLater(topic);
    return true;
  }

  /** The kept messages any of the filters matches. */
  *matching(filters: readonly string[]): Generator<StoredPacket> {
    for (const [topic, packet] of this.messages)
      if (filters.some((filter) => filterMatches(filter, topic))) yield packet;
  }

  /** Writes what is not on disk yet. */
  async close(): Promise<void> {
    this.isClosing = true;
    clearTimeout(this.timer);
    await this.flush();
  }

  private restore(value: unknown): void {
    const { topic, payload, qos } = savedMessage.parse(value);
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload, 'base64'), qos, retain: true } as const;
    this.messages.set(topic, packet);
    const usage = this.usageOf(topic);
    usage.messages += 1;
    usage.bytes += sizeOf(packet);
  }

  private usageOf(topic: string): Usage {
    return isServiceTopic(topic) ? this.ofServices : this.ofNetwork;
  }

  private saveLater(topic: string): void {
    if (this.options.store === undefined) return;
    this.unsaved.add(topic);
    this.flushLater();
  }

  private flushLater(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.flushing = this.flush();
    }, flushEveryMs).unref();
  }

  private async flush(): Promise<void> {
    await this.flushing;
    const topics = [...this.unsaved];
    this.unsaved.clear();
    for (let start = 0; start < topics.length; start += operationsPerFlush) {
      const operations = topics.slice(start, start + operationsPerFlush).map((topic) => this.operationFor(topic));
      try {
        await this.options.store?.transaction([], operations);
      } catch (error) {
        // A full disk may have room later, so we try again.
        for (const topic of topics.slice(start)) this.unsaved.add(topic);
        this.options.onFault(error);
        break;
      }
    }
    if (this.unsaved.size > 0 && !this.isClosing) this.flushLater();
  }

  private operationFor(topic: string): Operation {
    const key = `retained/${createHash('sha256').update(topic).digest('hex')}`;
    const { payload, qos = 0 } = this.messages.get(topic) ?? {};
    if (payload === undefined || payload.length > largestSavedBytes) return { delete: key };
    return { put: key, value: { topic, payload: payload.toString('base64'), qos } };
  }
}
