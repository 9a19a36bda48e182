import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { SerialQueue } from '@sallyport/concurrency';
import type { AdmissionDecision, ConnectorName, RefusalReason } from '@sallyport/protocol';
import type { SecureListenerOptions } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import type { OutdatedCredential, Peer, TokenClaim } from './peer.js';

/** What a client asked for in its handshake. */
export interface Destination {
  /** The host it named (SNI), lower case. */
  readonly serverName?: string;
  /** Address and port of this side. */
  readonly localPlace?: string;
  /** The connector of that host; only at the listeners of connectors. */
  readonly connector?: ConnectorName;
}

/** Undefined: nobody serves the host that the client wants. */
export function destinationOf(
  { serverName, localPlace }: Destination,
  connectorOf: SecureListenerOptions['connectorOf'],
): Destination | undefined {
  const named = {
    ...(serverName === undefined ? {} : { serverName }),
    ...(localPlace === undefined ? {} : { localPlace }),
  };
  if (connectorOf === undefined) return named;
  const connector = connectorOf(serverName);
  return connector === undefined ? undefined : { ...named, connector };
}

/** An admitted connection, as the protocol on top of the listener has it. */
export interface Connection {
  /** The byte stream: over TLS where the listener speaks TLS. */
  readonly socket: Duplex;
  /** Who is on the other side; undefined when nobody has proved who it is. */
  readonly peer: Peer | undefined;
  /** What a client without a peer may have renewed, where the listener allows that. */
  readonly outdated?: OutdatedCredential | undefined;
  readonly remoteAddress: string;
  /** The protocol agreed on in the TLS handshake (ALPN); undefined without TLS, or when the client named none. */
  readonly alpn: string | undefined;
  readonly destination: Destination;
  /**
   * Aborted when the connection has to end, because the listener closes or its security level changed. The protocol
   * then says goodbye in its own words and ends the stream. What is still open after `Limits.drainMs` is cut. A
   * revoked peer is cut at once, without this signal; but see `endGently`.
   */
  readonly draining: AbortSignal;
  /**
   * Ends the connection. Without a reason, what is written is sent first, and requests in flight are answered. With a
   * reason, the peer is refused: it is cut at once, counted and reported.
   */
  close(reason?: RefusalReason): void;
  /**
   * The peer asks for something that ends its own admission, such as to be revoked. For `mostMs` from now, a peer that is
   * not admitted any more is told by `draining`, so that the answer reaches it. What is open after that is cut. Serve
   * nothing else on the connection meanwhile.
   */
  endGently(mostMs: number): void;
  /**
   * Makes a device the peer of this connection, if the admission port admits it. The device signs in with a token that
   * the caller has verified. When the token expires and no newer one came, the connection is cut; it is also cut as that
   * of every other peer is. Calls on one connection take effect in order.
   *
   * Refuses without asking: an expired token, another device than the connection has already, and a connection whose
   * peer showed a certificate. A refusal is counted and reported, and leaves the connection as it was; the caller
   * answers in its protocol. Never rejects.
   *
   * Not for clients behind a proxy that shares one connection between them: there, a token belongs to a request.
   */
  identify(claim: TokenClaim): Promise<AdmissionDecision>;
}

export interface ConnectionControl {
  readonly identify: (session: ListenerSession, claim: TokenClaim) => Promise<AdmissionDecision>;
  readonly cut: (session: ListenerSession, reason: RefusalReason) => void;
  /** How long requests in flight may take after `close`, in milliseconds. */
  readonly drainMs: number;
}

/** What a handler may see and do of a session. */
export class SessionConnection implements Connection {
  private readonly session: ListenerSession;
  private readonly control: ConnectionControl;
  private claims: SerialQueue | undefined;

  constructor(session: ListenerSession, control: ConnectionControl) {
    this.session = session;
    this.control = control;
  }

  get socket(): Duplex {
    return this.session.socket;
  }

  get peer(): Peer | undefined {
    return this.session.peer;
  }

  get outdated(): OutdatedCredential | undefined {
    return this.session.outdated;
  }

  get remoteAddress(): string {
    return this.session.remoteAddress;
  }

  get alpn(): string | undefined {
    return this.session.alpn;
  }

  get destination(): Destination {
    return this.session.destination;
  }

  get draining(): AbortSignal {
    return this.session.draining;
  }

  close(reason?: RefusalReason): void {
    if (reason === undefined) this.session.finish(this.control.drainMs);
    else this.control.cut(this.session, reason);
  }

  endGently(mostMs: number): void {
    this.session.endGently(mostMs);
  }

  identify(claim: TokenClaim): Promise<AdmissionDecision> {
    this.claims ??= new SerialQueue();
    return this.claims.run(() => this.control.identify(this.session, claim));
  }
}

const connectionBySocket = new WeakMap<Duplex, Connection>();

/** Ties a connection to its socket, so that the requests on it can be told whose they are. */
export function register(connection: Connection): void {
  connectionBySocket.set(connection.socket, connection);
}

/**
 * Who sent a request: decided by the connection, never by a header.
 *
 * @returns undefined where nobody has proved who it is: on plain connections, where no client certificate was asked
 *   for, or, being optional, none came.
 */
export function peerOf(request: IncomingMessage): Peer | undefined {
  return connectionBySocket.get(request.socket)?.peer;
}

/** See `Connection.outdated`. */
export function outdatedCredentialOf(request: IncomingMessage): OutdatedCredential | undefined {
  return connectionBySocket.get(request.socket)?.outdated;
}
