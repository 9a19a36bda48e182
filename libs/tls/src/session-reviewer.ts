import type { AdmissionDecision, RefusalReason } from '@sallyport/protocol';
import type { AdmissionCheck } from './admission-check.js';
import { type LeafRule, leafRuleFault, pathFault } from './judge.js';
import type { Limits } from './limits.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import type { CertificateCredential, Peer } from './peer.js';
import { type Revalidation, revalidate } from './revalidation.js';
import type { SecurityInUse, SecurityState } from './security-state.js';
import type { SessionTable } from './session-table.js';
import type { TrustStore } from './trust-store.js';

export interface SessionReviewerOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly security: SecurityInUse;
  readonly sessions: SessionTable;
  readonly admission: AdmissionCheck;
  /** Ends a session for a reason, and reports it once. */
  readonly cut: (session: ListenerSession, reason: RefusalReason) => void;
}

/** Decides about live sessions again, when the security settings changed or the admission port has news. */
export class SessionReviewer {
  private readonly parts: SessionReviewerOptions;

  constructor(parts: SessionReviewerOptions) {
    this.parts = parts;
  }

  /** Reviews every session that was not refused. */
  reviewAll(): void {
    for (const session of this.parts.sessions) if (session.refusal === undefined) this.reviewOrCut(session);
  }

  /**
   * Keeps, retires or cuts a session, as the current settings say.
   *
   * @throws what the leaf rule throws
   */
  review(session: ListenerSession): void {
    const { options, limits, security, sessions, cut } = this.parts;
    const review = reviewSession(session, security.current, options.leafRule);
    switch (review.outcome) {
      case 'keep':
        session.peer = review.peer ?? session.peer;
        sessions.watch(session);
        return;
      case 'redirect':
        session.retire('redirected', { idleMs: limits.retireIdleMs, hardMs: limits.drainMs });
        return;
      case 'cut':
        cut(session, review.reason);
        return;
      default:
        review satisfies never;
    }
  }

  /**
   * Asks the admission port again about these sessions. Cuts those that are no longer admitted, or got no answer in
   * time.
   */
  revalidate(sessions: readonly ListenerSession[], { graceMs }: Pick<Revalidation, 'graceMs'>): Promise<void> {
    return revalidate(sessions, { graceMs, ask: (session) => this.askAgain(session), cut: this.parts.cut });
  }

  /** A leaf rule that throws must not spare the sessions that are reviewed after it. */
  private reviewOrCut(session: ListenerSession): void {
    try {
      this.review(session);
    } catch (error) {
      this.parts.options.events.onWarning('a session was cut, since its review failed', { error });
      this.parts.cut(session, 'not-permitted');
    }
  }

  private async askAgain(session: ListenerSession): Promise<AdmissionDecision> {
    const { subject } = session;
    return subject === undefined
      ? { outcome: 'refused', reason: 'no-certificate' }
      : await this.parts.admission.ask(session, subject);
  }
}

/** What happens to a session that began under former settings. */
type SessionReview =
  | { readonly outcome: 'keep'; readonly peer?: Peer }
  | { readonly outcome: 'redirect' }
  | { readonly outcome: 'cut'; readonly reason: RefusalReason };

/**
 * Whether a session would be admitted under the present settings. When a stricter level asks for more, the peer may
 * come back over a new connection and show it. When no trusted CA vouches for its certificate any more, the session is
 * cut.
 */
function reviewSession(
  session: ListenerSession,
  { level, clientCertificate, trust, namesTrust }: SecurityState,
  leafRule: LeafRule | undefined,
): SessionReview {
  if (level === 'plain') return { outcome: 'keep' };
  if (!session.isSecure) return { outcome: 'redirect' };
  const { peer } = session;
  if (peer?.credential.kind !== 'certificate')
    return { outcome: clientCertificate === 'required' ? 'redirect' : 'keep' };
  // The listener no longer asks for certificates. The peer stays who it is, unless its CA was removed.
  if (clientCertificate === 'none' && !namesTrust) return { outcome: 'keep' };
  return reviewCertificate({ ...peer, credential: peer.credential }, trust, leafRule);
}

function reviewCertificate(
  { deviceId, kind, credential }: Peer & { readonly credential: CertificateCredential },
  trust: TrustStore,
  leafRule: LeafRule | undefined,
): SessionReview {
  const { certificate, issuedHere } = credential;
  const path = trust.trusts(credential.path)
    ? credential.path
    : trust.findPath(certificate, credential.path.certificates);
  // Only our own hierarchy can make services and administrators. So a peer that changed sides must connect again.
  if (path === undefined || trust.isOwn(path) !== issuedHere) return { outcome: 'cut', reason: 'issuer-unknown' };
  const fault =
    pathFault({ certificate, path }) ?? leafRuleFault({ certificate, deviceId, kind, issuedHere }, leafRule);
  if (fault !== undefined) return { outcome: 'cut', reason: fault.reason };
  return { outcome: 'keep', peer: { deviceId, kind, credential: { ...credential, path } } };
}
