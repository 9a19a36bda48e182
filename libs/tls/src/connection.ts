import type { Duplex } from 'node:stream';
import type { RefusalReason } from '@sallyport/protocol';
import type { ListenerSession } from './listener-session.js';
import type { Peer } from './peer.js';

/** An admitted connection, as the protocol on top of the listener has it. */
export interface Connection {
  /** The byte stream: over TLS where the listener speaks TLS. */
  readonly socket: Duplex;
  /** Who is on the other side; undefined when nobody has proved who it is. */
  readonly peer: Peer | undefined;
  readonly remoteAddress: string;
  /** The protocol that client and listener agreed on (RFC 7301); undefined without TLS, or when the client named none. */
  readonly alpn: string | undefined;
  /**
   * Aborted when the connection has to end, because the listener closes or its security level changed. The protocol
   * then says goodbye in its own words and ends the stream. What is still open after `Limits.drainMs` is cut. A
   * revoked peer is cut at once, without this signal.
   */
  readonly draining: AbortSignal;
  /**
   * Ends the connection. Without a reason, what is written is sent first, and requests in flight are answered. With a
   * reason, the peer is refused: it is cut at once, counted and reported.
   */
  close(reason?: RefusalReason): void;
}

export interface ConnectionControl {
  readonly cut: (session: ListenerSession, reason: RefusalReason) => void;
  /** How long requests in flight may take after `close`, in milliseconds. */
  readonly drainMs: number;
}

/** What a handler may see and do of a session. */
export class SessionConnection implements Connection {
  readonly #session: ListenerSession;
  readonly #control: ConnectionControl;

  constructor(session: ListenerSession, control: ConnectionControl) {
    this.#session = session;
    this.#control = control;
  }

  get socket(): Duplex {
    return this.#session.socket;
  }

  get peer(): Peer | undefined {
    return this.#session.proven?.peer;
  }

  get remoteAddress(): string {
    return this.#session.remoteAddress;
  }

  get alpn(): string | undefined {
    return this.#session.alpn;
  }

  get draining(): AbortSignal {
    return this.#session.draining;
  }

  close(reason?: RefusalReason): void {
    if (reason === undefined) this.#session.finish(this.#control.drainMs);
    else this.#control.cut(this.#session, reason);
  }
}
