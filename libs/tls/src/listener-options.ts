import type { Duplex } from 'node:stream';
import type { ConnectorName, Fingerprint, PeerKind, Problem, RefusalReason } from '@sallyport/protocol';
import type { Connection } from './connection.js';
import type { HttpHandler, UpgradeHandler } from './http-protocol.js';
import type { LeafRule } from './judge.js';
import type { Limits } from './limits.js';
import type { ListenerEvent } from './listener-counters.js';
import type { AdmissionPort, Peer } from './peer.js';
import type { SecuritySettings } from './settings.js';

/** One peer refused, or one session cut. */
export interface RefusalEvent {
  readonly reason: RefusalReason;
  readonly remoteAddress: string;
  /** Subject of the certificate, RFC 4514, made printable; at most 256 characters. */
  readonly subject?: string;
  readonly fingerprint?: Fingerprint;
  /** What exactly, such as OpenSSL's own words; printable. */
  readonly detail?: string;
}

/** What a listener tells its owner. None of these functions may throw. */
export interface ListenerEvents {
  onRefusal(refusal: RefusalEvent): void;
  /** Called for everything that is counted, except refusals. */
  onCounted?(event: ListenerEvent): void;
  onAdmitted?(admitted: { readonly peer: Peer; readonly remoteAddress: string }): void;
  onWarning(text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What a protocol may set for its listener. */
interface ProtocolNeeds {
  /** HTTP only: what a refused peer is told, where the usual 403 and 503 are not what the protocol says. */
  readonly refusalProblem?: (reason: RefusalReason) => Problem;
  /**
   * Names of the protocol in the TLS handshake (ALPN, RFC 7301), best first. A client that offers only other names is
   * refused; one that offers none passes. Default: those of HTTP/1 for `http`, none for `stream`.
   */
  readonly alpn?: readonly string[];
  /** Limits that suit the protocol. They replace the defaults; limits of the listener's owner replace them. */
  readonly limits?: Partial<Limits>;
}

/** HTTP/1.1, and what a connection may be upgraded to. */
export interface HttpListenerHandler extends ProtocolNeeds {
  readonly http: HttpHandler;
  /** Takes WebSockets. Without it, a request for a WebSocket is an ordinary request. */
  readonly upgrade?: UpgradeHandler;
}

/** The bare byte stream of an admitted connection (MQTT, CoAP). */
export interface StreamListenerHandler extends ProtocolNeeds {
  readonly stream: (connection: Connection) => void;
  /**
   * Tells a refused peer the reason in its protocol, and ends the stream. Nothing the peer sends may have any other
   * effect. The listener cuts it after `Limits.handshakeMs`. Without this function, it is closed without an answer.
   */
  readonly refuseStream?: (socket: Duplex, reason: RefusalReason) => void;
}

/**
 * HTTP/1.1 that the handler reads from the byte stream itself. The listener answers what is not for the handler, as for
 * every HTTP listener: refused peers, plain text where TLS is asked for, and TLS where plain text is.
 */
export interface HttpStreamListenerHandler extends ProtocolNeeds {
  /** As `StreamListenerHandler.stream`: it keeps its own deadlines, and ends the connection when `draining` says so. */
  readonly httpStream: (connection: Connection) => void;
}

/** What runs on top of a listener. */
export type ListenerHandler = HttpListenerHandler | StreamListenerHandler | HttpStreamListenerHandler;

export interface SecureListenerOptions {
  /** Names the entrance in logs, metrics and admission requests, such as `agent`. */
  readonly name: string;
  readonly host: string;
  /** More addresses of this machine to listen on, at the same port. */
  readonly moreHosts?: readonly string[];
  /** 0 takes a free one. */
  readonly port: number;
  readonly security: SecuritySettings;
  readonly admission: AdmissionPort;
  readonly events: ListenerEvents;
  readonly handler: ListenerHandler;
  /** Kinds of peer that may pass; every kind when absent. */
  readonly permittedKinds?: ReadonlySet<PeerKind>;
  /** An extra check of leaf certificates, beyond those of every listener. */
  readonly leafRule?: LeafRule;
  /**
   * For listeners of connectors: the one that serves the host a client names in its handshake (lower case; undefined when
   * it names none). Without one, the connection is closed without an answer. The admission port names the peers of a
   * connector, from their certificates.
   */
  readonly connectorOf?: (serverName: string | undefined) => ConnectorName | undefined;
  readonly limits?: Partial<Limits>;
  readonly now?: () => Date;
}
