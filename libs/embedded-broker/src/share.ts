import type { BrokerLimits } from './limits.js';

/** What an identity can use up. */
export interface Usage {
  sessions: number;
  subscriptions: number;
  queuedBytes: number;
  retainedMessages: number;
  retainedBytes: number;
}

export type Resource = keyof Usage;

/** Why something was not given: the identity has used its own share, or all together have used everything. */
export type Shortage = 'own' | 'all';

/** What all clients of a kind have together. */
export class SharePool {
  readonly used: Usage = noUsage();

  constructor(readonly limits: Usage) {}
}

/**
 * What one identity uses of a pool, and its limit. One identity must not take what belongs to all.
 *
 * Memory and disk are counted in the same way: what waits for a session is in both.
 */
export class Share {
  readonly used: Usage = noUsage();
  /** Sessions and retained messages that refer to it. */
  holders = 0;

  constructor(
    readonly key: string,
    private readonly limits: Usage,
    private readonly pool: SharePool,
  ) {}

  /** Says what prevents taking so much more; undefined when nothing does. */
  shortage(resource: Resource, amount: number): Shortage | undefined {
    if (this.used[resource] + amount > this.limits[resource]) return 'own';
    return this.pool.used[resource] + amount > this.pool.limits[resource] ? 'all' : undefined;
  }

  /** Takes without asking; the caller has asked `shortage`. A negative amount gives back. */
  take(resource: Resource, amount: number): void {
    this.used[resource] += amount;
    this.pool.used[resource] += amount;
  }
}

/** The shares of all identities of one kind. */
export class Shares {
  readonly pool: SharePool;
  private readonly shareByKey = new Map<string, Share>();
  private readonly limitsOfOne: Usage;

  constructor(limits: BrokerLimits) {
    this.pool = new SharePool({
      sessions: limits.sessions,
      subscriptions: Number.POSITIVE_INFINITY,
      queuedBytes: limits.queuedBytesInAll,
      retainedMessages: limits.retainedMessages,
      retainedBytes: limits.retainedBytes,
    });
    this.limitsOfOne = {
      sessions: limits.sessionsPerIdentity,
      subscriptions: limits.subscriptionsPerIdentity,
      queuedBytes: Math.min(limits.queuedBytesPerIdentity, limits.queuedBytesInAll),
      retainedMessages: limits.retainedMessagesPerIdentity,
      retainedBytes: limits.retainedBytesPerIdentity,
    };
  }

  /**
   * The share of an identity, for one more holder.
   *
   * @param key equal for everything the identity opens
   */
  hold(key: string): Share {
    let share = this.shareByKey.get(key);
    if (share === undefined) {
      share = new Share(key, this.limitsOfOne, this.pool);
      this.shareByKey.set(key, share);
    }
    share.holders += 1;
    return share;
  }

  /** Takes a holder away; forgets the share of an identity that has nothing more. */
  release(share: Share): void {
    share.holders -= 1;
    if (share.holders === 0) this.shareByKey.delete(share.key);
  }
}

function noUsage(): Usage {
  return { sessions: 0, subscriptions: 0, queuedBytes: 0, retainedMessages: 0, retainedBytes: 0 };
}
