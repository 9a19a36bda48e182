import type { Socket } from 'node:net';
import { startDeadline } from '@sallyport/concurrency';
import type { Destination } from './connection.js';
import type { Evictable } from './fair-quota.js';
import type { HandshakeCharge } from './handshake-charge.js';
import type { ListenerSession } from './listener-session.js';

/** A TCP connection from its first packet to its end. It must become a session before its deadline. */
export class PendingConnection implements Evictable {
  readonly raw: Socket;
  readonly remoteAddress: string;
  private readonly endDeadline: () => void;
  private readonly onEvicted: (pending: PendingConnection) => void;
  private isOverdue = false;
  /** The session it became. */
  session: ListenerSession | undefined;
  /** The cost of its handshake. Absent when the client may not send certificates. */
  charge: HandshakeCharge | undefined;
  /** Where it wants to; known after the handshake. */
  destination: Destination = {};
  /** Its refusal was reported already. */
  isRefused = false;

  /** @param onEvicted  called when another connection needs its place */
  constructor(
    raw: Socket,
    {
      deadlineMs,
      onEvicted,
    }: { readonly deadlineMs: number; readonly onEvicted: (pending: PendingConnection) => void },
  ) {
    this.raw = raw;
    this.remoteAddress = raw.remoteAddress ?? 'unknown';
    this.onEvicted = onEvicted;
    this.endDeadline = startDeadline(deadlineMs, () => {
      this.isOverdue = true;
      raw.destroy();
    });
  }

  /** Whether the deadline closed it. */
  get isLate(): boolean {
    return this.isOverdue;
  }

  get localPlace(): string {
    return `${this.raw.localAddress}:${this.raw.localPort}`;
  }

  get isIdle(): boolean {
    return this.session?.isIdle ?? true;
  }

  evict(): void {
    this.onEvicted(this);
  }

  /** The connection is a session now, or closed. */
  clearDeadline(): void {
    this.endDeadline();
  }
}
