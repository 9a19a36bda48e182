import type { Socket } from 'node:net';
import { printable, type RefusalReason } from '@sallyport/protocol';
import type { HttpProtocol } from './http-protocol.js';
import type { PeerRefusal } from './judge.js';
import type { Limits } from './limits.js';
import type { ListenerCounters } from './listener-counters.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import type { PendingConnection } from './pending-connection.js';

/** Why a peer is refused. */
export type RefusalDetails = Omit<PeerRefusal, 'outcome'>;

export interface RefusalResponderOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly counters: ListenerCounters;
  /** Absent where the protocol above is not HTTP. */
  readonly http: HttpProtocol | undefined;
}

/** Refuses peers: counts and reports each once, and tells the peer the reason if its protocol can. */
export class RefusalResponder {
  private readonly parts: RefusalResponderOptions;
  private readonly delayed = new Set<Socket>();

  constructor(parts: RefusalResponderOptions) {
    this.parts = parts;
  }

  /** Closes a connection without an answer. */
  refuseSilently(pending: PendingConnection, details: RefusalDetails): void {
    pending.charge?.pay();
    if (!pending.isRefused) this.report(pending.remoteAddress, details);
    pending.isRefused = true;
    pending.raw.destroy();
  }

  /**
   * Closes a connection for which there is no place, but only after a delay. Otherwise its client would connect again
   * at once, and many such clients would keep us from accepting others.
   */
  refuseAfterDelay(pending: PendingConnection, details: RefusalDetails): void {
    const { raw, remoteAddress } = pending;
    const { delayedCloses, closeDelayMs } = this.parts.limits;
    pending.clearDeadline();
    this.report(remoteAddress, details);
    if (this.delayed.size >= delayedCloses) {
      raw.destroy();
      return;
    }
    this.delayed.add(raw);
    const end = setTimeout(() => raw.destroy(), closeDelayMs);
    raw.once('close', () => {
      clearTimeout(end);
      this.delayed.delete(raw);
    });
  }

  /** Tells a client the reason in the words of its stream protocol. Does nothing for HTTP. */
  answerStream(raw: Socket, reason: RefusalReason): void {
    if (!raw.destroyed) this.refuseStream()?.(raw, reason);
  }

  /** Closes the connections that wait for their delay. */
  close(): void {
    for (const raw of this.delayed) raw.destroy();
  }

  /**
   * Refuses a peer that has finished its handshake. It gets one small answer to its first request, or is closed.
   * Nothing it sends reaches the service.
   */
  refuse(pending: PendingConnection, session: ListenerSession, details: RefusalDetails): void {
    const { http, limits } = this.parts;
    const { socket } = session;
    const refuseStream = this.refuseStream();
    if (http === undefined && refuseStream === undefined) {
      this.refuseSilently(pending, details);
      return;
    }
    pending.charge?.pay();
    this.report(pending.remoteAddress, details);
    // Reported before: also a peer that has gone meanwhile was refused.
    if (session.isOver) return;
    session.refuse(details.reason, limits.handshakeMs);
    http?.take(session);
    refuseStream?.(socket, details.reason);
  }

  /** Counts a refusal and tells the owner of the listener. */
  report(remoteAddress: string, { reason, certificate, detail }: RefusalDetails): void {
    const { counters, options } = this.parts;
    counters.countRefusal(reason);
    options.events.onRefusal({
      reason,
      remoteAddress,
      ...(certificate === undefined
        ? {}
        : {
            subject: printable(certificate.subject.text),
            fingerprint: certificate.fingerprint,
          }),
      ...(detail === undefined ? {} : { detail: printable(detail) }),
    });
  }

  private refuseStream() {
    const { handler } = this.parts.options;
    return 'refuseStream' in handler ? handler.refuseStream : undefined;
  }
}

/** The reason for a failed handshake. OpenSSL does not know our deadline and limits, so they come first. */
export function faultOf({ isLate, charge }: PendingConnection, failure: RefusalDetails): RefusalDetails {
  if (isLate) return { reason: 'handshake-timeout' };
  switch (charge?.meter?.fault) {
    case 'too-long':
      return { reason: 'chain-too-long', detail: 'the client sent more than a handshake may have' };
    case 'too-costly':
      return { reason: 'handshakes-too-costly' };
    default:
      return failure;
  }
}
