import type { Socket } from 'node:net';
import type { Evictable } from './fair-quota.js';
import type { HandshakeCharge } from './handshake-charge.js';
import type { ListenerSession } from './listener-session.js';

/** A TCP connection from its first packet to its end; it has one deadline to become a session. */
export class PendingConnection implements Evictable {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly #deadline: NodeJS.Timeout;
  readonly #onEvicted: (pending: PendingConnection) => void;
  #isLate = false;
  /** What has become of it. */
  session: ListenerSession | undefined;
  /** What its handshake costs; absent where it may send no certificates. */
  charge: HandshakeCharge | undefined;
  /** Told, or about to be told, that it may not pass. */
  isRefused = false;

  /** @param onEvicted  called when its place is needed for somebody else */
  constructor(
    raw: Socket,
    {
      deadlineMs,
      onEvicted,
    }: { readonly deadlineMs: number; readonly onEvicted: (pending: PendingConnection) => void },
  ) {
    this.raw = raw;
    this.remoteAddress = raw.remoteAddress ?? 'unknown';
    this.#onEvicted = onEvicted;
    this.#deadline = setTimeout(() => {
      this.#isLate = true;
      raw.destroy();
    }, deadlineMs);
  }

  /** Whether it was closed because the deadline was over. */
  get isLate(): boolean {
    return this.#isLate;
  }

  get isIdle(): boolean {
    return this.session?.isIdle ?? true;
  }

  evict(): void {
    this.#onEvicted(this);
  }

  /** Ends the deadline: the connection has arrived, or is gone. */
  clearDeadline(): void {
    clearTimeout(this.#deadline);
  }
}
