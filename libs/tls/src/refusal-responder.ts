import type { Socket } from 'node:net';
import type { HttpFront } from './http-front.js';
import type { Refusal } from './judge.js';
import type { Limits } from './limits.js';
import type { SecureListenerOptions } from './listener-options.js';
import { printable } from './printable.js';
import type { Session } from './session.js';
import type { Tally } from './tally.js';
import type { Visitor } from './visitor.js';

/** Why somebody is turned away. */
export type Turned = Omit<Refusal, 'outcome'>;

export interface RefuserOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly tally: Tally;
  /** Absent where the protocol above is not HTTP. */
  readonly front: HttpFront | undefined;
}

/** Turns peers away: counts and reports each once, and tells it why where the protocol has words for that. */
export class Refuser {
  readonly #parts: RefuserOptions;
  readonly #keptOut = new Set<Socket>();

  constructor(parts: RefuserOptions) {
    this.#parts = parts;
  }

  /** Closes a connection that nothing can be said to. */
  turnAway(visitor: Visitor, turned: Turned): void {
    visitor.toll?.pay();
    if (!visitor.isTurnedAway) this.report(visitor.remoteAddress, turned);
    visitor.isTurnedAway = true;
    visitor.raw.destroy();
  }

  /**
   * Closes a connection for which there is no place, after a while: a client that comes back at once gets in no sooner,
   * and a crowd of them would keep us from accepting others.
   */
  keepOut(visitor: Visitor, turned: Turned): void {
    const { raw, remoteAddress } = visitor;
    const { keptOut, keptOutMs } = this.#parts.limits;
    visitor.settle();
    this.report(remoteAddress, turned);
    if (this.#keptOut.size >= keptOut) {
      raw.destroy();
      return;
    }
    this.#keptOut.add(raw);
    const end = setTimeout(() => raw.destroy(), keptOutMs);
    raw.once('close', () => {
      clearTimeout(end);
      this.#keptOut.delete(raw);
    });
  }

  /** Closes those that are kept out. */
  close(): void {
    for (const raw of this.#keptOut) raw.destroy();
  }

  /**
   * Refuses a peer that has finished its handshake. It gets one small answer to what it asks first, or is closed; in
   * either case nothing of it reaches the service.
   */
  refuse(visitor: Visitor, session: Session, turned: Turned): void {
    const { front, limits } = this.#parts;
    const { socket } = session;
    const refuseStream = this.#refuseStream();
    if (front === undefined && refuseStream === undefined) {
      this.turnAway(visitor, turned);
      return;
    }
    visitor.toll?.pay();
    this.report(visitor.remoteAddress, turned);
    // It may have gone meanwhile; it was refused nevertheless.
    if (session.isOver) return;
    session.refuse(turned.reason, limits.handshakeMs);
    front?.take(session);
    refuseStream?.(socket, turned.reason);
  }

  /** Counts a refusal and tells the owner of the listener. */
  report(remoteAddress: string, { reason, certificate, detail }: Turned): void {
    const { tally, options } = this.#parts;
    tally.countRefusal(reason);
    options.events.onRefusal({
      reason,
      remoteAddress,
      ...(certificate !== undefined && {
        subject: printable(certificate.subject.text),
        fingerprint: certificate.fingerprint,
      }),
      ...(detail !== undefined && { detail: printable(detail) }),
    });
  }

  #refuseStream() {
    const { handler } = this.#parts.options;
    return 'refuseStream' in handler ? handler.refuseStream : undefined;
  }
}

/** What a failed handshake is called: OpenSSL knows nothing of our deadline and bounds. */
export function faultOf({ isLate, toll }: Visitor, failure: Turned): Turned {
  if (isLate) return { reason: 'handshake-timeout' };
  switch (toll?.meter?.fault) {
    case 'too-long':
      return { reason: 'chain-too-long', detail: 'the client sent more than a handshake may have' };
    case 'too-costly':
      return { reason: 'handshakes-too-costly' };
    default:
      return failure;
  }
}
