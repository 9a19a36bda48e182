import type { TopicId } from '@sallyport/protocol';
import { ownerOf } from './entity-tree.js';

/** A message that waits for an entity. */
export interface PendingMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly isRetained: boolean;
  /** Whose message it is. */
  readonly from: TopicId;
}

const mebibyte = 1024 * 1024;
/** A broker takes messages up to 1 MiB, so each device may have one of that size. */
const limits = { messages: 2_000, bytes: 8 * mebibyte, messagesOfOwner: 100, bytesOfOwner: mebibyte };

interface Usage {
  messages: number;
  bytes: number;
}

/**
 * Messages that came before the entity they need: registrations before that of their parent, and data before the
 * registration. Retained ones come again at the next connection, so they are in memory only.
 */
export class PendingMessages {
  private readonly waiting = new Map<TopicId, PendingMessage[]>();
  private readonly usageByOwner = new Map<string, Usage>();
  private readonly used: Usage = { messages: 0, bytes: 0 };

  /** @returns false when there is no room: for all, or for those of this device */
  hold(needed: TopicId, message: PendingMessage): boolean {
    const owner = ownerOf(message.from);
    const own = this.usageByOwner.get(owner) ?? { messages: 0, bytes: 0 };
    const bytes = message.payload.length;
    if (this.used.messages >= limits.messages || this.used.bytes + bytes > limits.bytes) return false;
    if (own.messages >= limits.messagesOfOwner || own.bytes + bytes > limits.bytesOfOwner) return false;
    const held = this.waiting.get(needed) ?? [];
    // A later message on a topic replaces the earlier one, as it does at the broker.
    const before = held.findIndex(({ topic }) => topic === message.topic);
    if (before >= 0) this.forget(held.splice(before, 1));
    this.waiting.set(needed, [...held, message]);
    this.count(owner, 1, bytes);
    return true;
  }

  /** Whether a registration of this entity waits for its parent. */
  holdsRegistrationOf(id: TopicId, topic: string): boolean {
    for (const held of this.waiting.values())
      if (held.some((message) => message.from === id && message.topic === topic)) return true;
    return false;
  }

  /** What waits for an entity, in the order it came. It does not wait any more. */
  release(id: TopicId): PendingMessage[] {
    const held = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    this.forget(held);
    return held;
  }

  private forget(messages: readonly PendingMessage[]): void {
    for (const { from, payload } of messages) this.count(ownerOf(from), -1, -payload.length);
  }

  private count(owner: string, messages: number, bytes: number): void {
    const own = this.usageByOwner.get(owner) ?? { messages: 0, bytes: 0 };
    for (const usage of [own, this.used]) {
      usage.messages += messages;
      usage.bytes += bytes;
    }
    if (own.messages > 0) this.usageByOwner.set(owner, own);
    else this.usageByOwner.delete(owner);
  }
}
