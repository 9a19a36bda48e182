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

const limits = { messages: 2_000, bytes: 8 * 1024 * 1024, messagesOfOwner: 100 };

/**
 * Messages that came before the entity they need: registrations before that of their parent, and data before the
 * registration. Retained ones come again at the next connection, so they are in memory only.
 */
export class PendingMessages {
  private readonly waiting = new Map<TopicId, PendingMessage[]>();
  private readonly countByOwner = new Map<string, number>();
  private messages = 0;
  private bytes = 0;

  /** @returns false when there is no room: for all, or for those of this device */
  hold(needed: TopicId, message: PendingMessage): boolean {
    const owner = ownerOf(message.from);
    const own = this.countByOwner.get(owner) ?? 0;
    const isFull = this.messages >= limits.messages || this.bytes + message.payload.length > limits.bytes;
    if (isFull || own >= limits.messagesOfOwner) return false;
    const held = this.waiting.get(needed) ?? [];
    // A later message on a topic replaces the earlier one, as it does at the broker.
    const before = held.findIndex(({ topic }) => topic === message.topic);
    if (before >= 0) this.forget(held.splice(before, 1));
    this.waiting.set(needed, [...held, message]);
    this.countByOwner.set(owner, (this.countByOwner.get(owner) ?? 0) + 1);
    this.messages += 1;
    this.bytes += message.payload.length;
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
    for (const { from, payload } of messages) {
      const owner = ownerOf(from);
      const rest = (this.countByOwner.get(owner) ?? 0) - 1;
      if (rest > 0) this.countByOwner.set(owner, rest);
      else this.countByOwner.delete(owner);
      this.messages -= 1;
      this.bytes -= payload.length;
    }
  }
}
