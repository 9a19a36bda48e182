import { isService, type Origin, originOf, ownerOf } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import { type BrokerLimits, limitsOfServices } from './limits.js';
import { RetainedBacklog } from './retained-backlog.js';
import type { RetainedMessages } from './retained-messages.js';
import { forever, Session, type SessionRecord } from './session.js';
import { type Share, Shares, type Shortage } from './share.js';

export interface SessionTableOptions {
  readonly limits: BrokerLimits;
  readonly journal: BrokerJournal;
  readonly retained: RetainedMessages;
  readonly nextMessageId: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that only go forward. */
  readonly uptime: () => number;
  /** Called before a session is forgotten: its subscriptions end. */
  readonly onEnd: (session: Session) => void;
}

/** What a CONNECT asks for. */
export interface SessionRequest {
  readonly name: string;
  readonly origin: Origin;
  /** Of the client, for the share of clients without an identity. */
  readonly network: string;
  /** Whether a former session of the name is forgotten. */
  readonly isClean: boolean;
  /** How long the session outlives the connection, in seconds: 0, or up to `forever`. */
  readonly expirySeconds: number;
}

export type OpenedSession =
  | { readonly outcome: 'opened'; readonly session: Session; readonly isPresent: boolean }
  | { readonly outcome: 'refused'; readonly shortage: Shortage };

const noteEveryMs = 24 * 3_600_000;

/** All sessions of the broker, by name, and the shares of those who own them. */
export class SessionTable {
  private readonly sessionByName = new Map<string, Session>();
  private readonly services: Shares;
  private readonly network: Shares;
  private readonly limitsForServices: BrokerLimits;
  private lastNumber = 0;
  /** In milliseconds of `uptime`, like the next one. */
  private nextNoteAt: number;
  private readonly startedAt: number;
  private ranBeforeMs = 0;

  constructor(private readonly options: SessionTableOptions) {
    this.startedAt = options.uptime();
    this.nextNoteAt = this.startedAt + noteEveryMs;
    this.limitsForServices = limitsOfServices(options.limits);
    this.services = new Shares(this.limitsForServices);
    this.network = new Shares(options.limits);
  }

  get size(): number {
    return this.sessionByName.size;
  }

  get(name: string): Session | undefined {
    return this.sessionByName.get(name);
  }

  /** Bytes of the unacknowledged messages of all sessions. */
  get queuedBytes(): number {
    return this.services.pool.used.queuedBytes + this.network.pool.used.queuedBytes;
  }

  /** Bytes that the clients of the network together may still queue. */
  get freeBytes(): number {
    const { limits, used } = this.network.pool;
    return limits.queuedBytes - used.queuedBytes;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.sessionByName.values();
  }

  /** Opens the session for a CONNECT. A connection that has it is ended. */
  open(request: SessionRequest): OpenedSession {
    this.sessionByName.get(request.name)?.holder?.yield();
    this.endExpired(this.sessionByName.get(request.name));
    const former = this.sessionByName.get(request.name);
    if (former !== undefined && !request.isClean)
      return { outcome: 'opened', session: this.resume(former, request.expirySeconds), isPresent: true };
    if (former !== undefined) this.end(former);
    const { name, origin, expirySeconds } = request;
    const owner = ownerOf(origin, request.network);
    const shares = this.sharesOf(origin);
    const share = shares.hold(owner);
    const shortage = expirySeconds > 0 ? share.shortage('sessions', 1) : undefined;
    if (shortage !== undefined) {
      shares.release(share);
      return { outcome: 'refused', shortage };
    }
    const number = expirySeconds > 0 ? this.lastNumber + 1 : 0;
    const session = this.add({ number, name, owner, usedAt: this.runningMs, expirySeconds }, share);
    if (session.isKept) this.options.journal.keep(session);
    return { outcome: 'opened', session, isPresent: false };
  }

  /** No session gets a number that the journal has used. */
  startNumbersAfter(number: number): void {
    this.lastNumber = number;
  }

  /** Puts back what the journal kept. */
  restore(record: SessionRecord): Session {
    this.ranBeforeMs = Math.max(this.ranBeforeMs, record.usedAt);
    return this.add(record, this.sharesOf(originOf(record.name)).hold(record.owner));
  }

  /** The connection of a session has ended. */
  leave(session: Session): void {
    session.holder = undefined;
    if (session.expirySeconds === 0) {
      this.end(session);
      return;
    }
    session.usedAt = this.runningMs;
    session.leftAt = this.options.uptime();
    session.outbox.detach();
  }

  /**
   * How long brokers have run on this journal, in milliseconds, as far as it knows. Not the time of day: a gateway may
   * start with a clock that is years wrong, and then the sessions of all others would look old.
   */
  private get runningMs(): number {
    return this.ranBeforeMs + this.options.uptime() - this.startedAt;
  }

  /** Notes once a day who is there: a client that stays connected for months must not be taken for one that has gone. */
  noteThoseThere(): void {
    const { journal, uptime } = this.options;
    if (uptime() < this.nextNoteAt || journal.isFailing) return;
    this.nextNoteAt = uptime() + noteEveryMs;
    for (const session of this.sessionByName.values()) {
      if (!session.isKept || session.holder === undefined) continue;
      session.usedAt = this.runningMs;
      journal.keep(session);
    }
  }

  /** Forgets a session and everything that waits for it. */
  end(session: Session): void {
    const { journal, onEnd } = this.options;
    this.sessionByName.delete(session.name);
    onEnd(session);
    session.outbox.end();
    session.inbox.end();
    session.share.take('subscriptions', -session.subscriptions.size);
    for (const subscription of session.subscriptions.values()) journal.forget(subscription);
    if (session.isKept) {
      session.share.take('sessions', -1);
      journal.end(session, (writer) => session.writeEnd(writer));
    }
    this.sharesOf(session.origin).release(session.share);
  }

  /** The share of an identity, for one more holder; see `RetainedMessages`. */
  holdShare(owner: string): Share {
    return this.sharesOf(originOf(owner)).hold(owner);
  }

  releaseShare(share: Share): void {
    this.sharesOf(originOf(share.key)).release(share);
  }

  /** Changes how long a session outlives its connection. One that is not kept cannot become one that is. */
  setExpiry(session: Session, expirySeconds: number): void {
    if (!session.isKept || session.expirySeconds === expirySeconds) return;
    session.expirySeconds = expirySeconds;
    if (!this.options.journal.isFailing) this.options.journal.keep(session);
  }

  /** Ends all sessions whose time is over. Only time in which the broker runs counts. */
  endAllExpired(): void {
    for (const session of this.sessionByName.values()) this.endExpired(session);
  }

  private endExpired(session: Session | undefined): void {
    if (session === undefined || session.holder !== undefined || session.expirySeconds === forever) return;
    if (session.leftAt + session.expirySeconds * 1_000 <= this.options.uptime()) this.end(session);
  }

  private resume(session: Session, expirySeconds: number): Session {
    session.usedAt = this.runningMs;
    session.expirySeconds = expirySeconds;
    // So that the journal knows who has not come for long. While the disk takes nothing, that can wait.
    if (session.isKept && !this.options.journal.isFailing) this.options.journal.keep(session);
    return session;
  }

  private add(record: SessionRecord, share: Share): Session {
    const { limits, journal, retained, nextMessageId, now, uptime } = this.options;
    const origin = originOf(record.name);
    const session = new Session({
      ...record,
      origin,
      share,
      journal,
      nextMessageId,
      now,
      uptime,
      limits: isService(origin) ? this.limitsForServices : limits,
      backlog: new RetainedBacklog(retained, now),
    });
    this.lastNumber = Math.max(this.lastNumber, record.number);
    if (session.isKept) share.take('sessions', 1);
    this.sessionByName.set(record.name, session);
    return session;
  }

  private sharesOf(origin: Origin): Shares {
    return isService(origin) ? this.services : this.network;
  }
}
