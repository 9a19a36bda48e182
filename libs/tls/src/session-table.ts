import type { Duplex } from 'node:stream';
import type { RefusalReason } from '@sallyport/protocol';
import { endOf } from '@sallyport/x509';
import type { ListenerSession } from './listener-session.js';

/** Longest time between two looks at the clock. It may be set forward, and a timer can wait at most 24.8 days. */
const longestWaitMs = 60_000;

/** When and why a session must end. */
interface Expiry {
  readonly at: number;
  readonly reason: RefusalReason;
}

function expiryOf({ peer }: ListenerSession): Expiry | undefined {
  if (peer === undefined) return undefined;
  const { credential } = peer;
  if (credential.kind === 'token') return { at: credential.expiresAt.getTime(), reason: 'token-expired' };
  const leaf = endOf(credential.certificate).getTime();
  const issuers = Math.min(...credential.path.certificates.map((issuer) => endOf(issuer).getTime()));
  return leaf <= issuers ? { at: leaf, reason: 'certificate-expired' } : { at: issuers, reason: 'issuer-expired' };
}

/**
 * The live sessions of a listener, pending admissions included. Ends each when its certificate, a CA or token expires.
 */
export class SessionTable {
  private readonly sessions = new Map<Duplex, ListenerSession>();
  private readonly now: () => Date;
  private readonly onExpired: (session: ListenerSession, reason: RefusalReason) => void;
  private alarm: NodeJS.Timeout | undefined;
  private alarmAt = Number.POSITIVE_INFINITY;

  constructor(now: () => Date, onExpired: (session: ListenerSession, reason: RefusalReason) => void) {
    this.now = now;
    this.onExpired = onExpired;
  }

  [Symbol.iterator](): Iterator<ListenerSession> {
    return this.sessions.values();
  }

  of(socket: Duplex): ListenerSession | undefined {
    return this.sessions.get(socket);
  }

  add(session: ListenerSession): void {
    // It closed meanwhile, so no event would ever remove it.
    if (session.socket.closed) return;
    this.sessions.set(session.socket, session);
    session.socket.once('close', () => this.sessions.delete(session.socket));
    this.watch(session);
  }

  /** Looks at a session's credential again, after it changed. */
  watch(session: ListenerSession): void {
    const expiry = expiryOf(session);
    if (expiry !== undefined) this.wakeAt(expiry.at);
  }

  stop(): void {
    clearTimeout(this.alarm);
    this.alarmAt = Number.NEGATIVE_INFINITY;
  }

  private wakeAt(time: number): void {
    const now = this.now().getTime();
    const at = Math.min(time, now + longestWaitMs);
    if (at >= this.alarmAt) return;
    clearTimeout(this.alarm);
    this.alarmAt = at;
    this.alarm = setTimeout(() => this.sweep(), Math.max(0, at - now));
    this.alarm.unref();
  }

  private sweep(): void {
    this.alarmAt = Number.POSITIVE_INFINITY;
    const now = this.now().getTime();
    for (const session of this.sessions.values()) {
      const expiry = expiryOf(session);
      if (expiry === undefined) continue;
      if (expiry.at <= now) this.onExpired(session, expiry.reason);
      else this.wakeAt(expiry.at);
    }
  }
}
