import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { RefusalReason } from '@sallyport/protocol';
import { AdmissionCheck } from './admission-check.js';
import { type Connection, type ConnectionControl, destinationOf, register, SessionConnection } from './connection.js';
import { ConnectionQuota } from './connection-quota.js';
import { detectProtocol } from './detect-protocol.js';
import { rawAnswer } from './early-answers.js';
import { shakeHands } from './handshake.js';
import { HandshakeBudget } from './handshake-budget.js';
import { HandshakeCharge } from './handshake-charge.js';
import { HttpProtocol } from './http-protocol.js';
import { type Candidate, type HandshakeEvidence, type Judgement, judge } from './judge.js';
import type { Limits } from './limits.js';
import type { ListenerCounters } from './listener-counters.js';
import type { HttpListenerHandler, SecureListenerOptions } from './listener-options.js';
import { ListenerSession, type Standing } from './listener-session.js';
import { certificateOf, type Peer } from './peer.js';
import { PendingConnection } from './pending-connection.js';
import { faultOf, RefusalResponder } from './refusal-responder.js';
import { SecurityInUse, type SecurityState } from './security-state.js';
import { SessionReviewer } from './session-reviewer.js';
import { SessionTable } from './session-table.js';
import { TokenIdentification } from './token-identification.js';

/** For a handler that reads HTTP itself: no request of an admitted peer comes here. */
const earlyAnswersOnly: HttpListenerHandler = { http: (_request, response) => response.destroy() };

export interface ConnectionAcceptorOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly counters: ListenerCounters;
  readonly security: SecurityState;
}

/** Takes each connection from its first byte to a session or a refusal. */
export class ConnectionAcceptor {
  readonly sessions: SessionTable;
  readonly reviewer: SessionReviewer;
  readonly security: SecurityInUse;
  private readonly options: SecureListenerOptions;
  private readonly limits: Limits;
  private readonly counters: ListenerCounters;
  private readonly now: () => Date;
  private readonly quota: ConnectionQuota;
  private readonly budget = new HandshakeBudget();
  private readonly http: HttpProtocol | undefined;
  private readonly responder: RefusalResponder;
  private readonly admission: AdmissionCheck;
  private readonly alpn: readonly string[];
  private readonly control: ConnectionControl;
  /** Sockets of connections that are not a session yet. */
  private readonly pending = new Set<Socket>();

  constructor({ options, limits, counters, security }: ConnectionAcceptorOptions) {
    this.options = options;
    this.limits = limits;
    this.counters = counters;
    this.now = options.now ?? (() => new Date());
    this.quota = new ConnectionQuota(limits);
    this.security = new SecurityInUse(security, limits.formerTlsMs);
    this.sessions = new SessionTable(this.now, (session, reason) => this.cut(session, reason));
    const { handler } = options;
    this.http =
      'stream' in handler
        ? undefined
        : this.makeHttp('http' in handler ? handler : { ...handler, ...earlyAnswersOnly });
    // curl --http1.0 offers only HTTP/1.0.
    this.alpn = handler.alpn ?? ('stream' in handler ? [] : ['http/1.1', 'http/1.0']);
    this.admission = new AdmissionCheck({ options, limits, quota: this.quota });
    this.responder = new RefusalResponder({ options, limits, counters, http: this.http });
    const { sessions, admission, responder } = this;
    const cut = (session: ListenerSession, reason: RefusalReason) => this.cut(session, reason);
    this.reviewer = new SessionReviewer({ options, limits, security: this.security, sessions, admission, cut });
    const identification = new TokenIdentification({ options, sessions, admission, responder });
    this.control = {
      identify: (session, claim) => identification.identify(session, claim),
      cut,
      drainMs: limits.drainMs,
    };
  }

  /** Receives a new TCP connection. */
  accept(raw: Socket): void {
    const pending = new PendingConnection(raw, {
      deadlineMs: this.limits.handshakeMs,
      onEvicted: (evicted) => this.evict(evicted),
    });
    this.counters.count('accepted');
    // Peers often reset connections. That is no error to report; the connection only has to be closed.
    raw.on('error', () => raw.destroy());
    if (!this.quota.acquire(pending.remoteAddress, pending)) {
      this.responder.refuseAfterDelay(pending, { reason: 'too-many-connections' });
      // Without a handshake to wait for, a stream protocol can say why at once.
      if (this.security.current.level === 'plain') this.responder.answerStream(raw, 'too-many-connections');
      return;
    }
    this.pending.add(raw);
    raw.once('close', () => {
      pending.clearDeadline();
      this.pending.delete(raw);
      this.quota.release(pending);
    });
    this.receive(pending).catch((error: unknown) => {
      raw.destroy();
      this.options.events.onWarning('a connection ended by an unexpected error', { error });
    });
  }

  /** Puts new settings in force, for new connections and for live sessions. */
  applySecurity(state: SecurityState): void {
    this.security.replace(state);
    this.reviewer.reviewAll();
  }

  /** Ends a session for a reason, and reports it once. */
  cut(session: ListenerSession, reason: RefusalReason): void {
    if (session.cutReason === undefined) {
      const certificate = certificateOf(session.peer);
      this.responder.report(session.remoteAddress, { reason, ...(certificate === undefined ? {} : { certificate }) });
    }
    session.cutFor(reason);
  }

  /** Lets requests in flight finish, tells streams to end, and closes everything else. */
  drain(drainMs: number): void {
    this.responder.close();
    for (const raw of this.pending) raw.destroy();
    for (const session of this.sessions) session.retire('draining', { idleMs: 0, hardMs: drainMs });
  }

  close(): void {
    this.sessions.stop();
    this.http?.close();
  }

  private makeHttp(handler: HttpListenerHandler): HttpProtocol {
    return new HttpProtocol({
      handler,
      limits: this.limits,
      sessionOf: (socket) => this.sessions.of(socket),
      onAnsweredEarly: (how) => this.counters.count(how === 'redirect' ? 'redirected' : 'faultyRequests'),
    });
  }

  private async receive(pending: PendingConnection): Promise<void> {
    const protocol = await detectProtocol(pending.raw);
    switch (protocol) {
      case 'silent':
        this.counters.count('silent');
        pending.raw.destroy();
        return;
      case 'plain':
        this.receivePlain(pending);
        return;
      case 'tls':
        await this.receiveTls(pending);
        return;
      default:
        protocol satisfies never;
    }
  }

  private receivePlain(pending: PendingConnection): void {
    const isPlainExpected = this.security.current.level === 'plain';
    if (!isPlainExpected) this.counters.count('plainOnTls');
    if (isPlainExpected || this.http !== undefined)
      this.establish(this.open(pending, pending.raw, isPlainExpected ? 'current' : 'redirected'));
    else pending.raw.destroy();
  }

  private async receiveTls(pending: PendingConnection): Promise<void> {
    const security = this.security.forTls;
    const { context, clientCertificate } = security;
    if (context === undefined) return this.answerPlainly(pending);
    if (clientCertificate !== 'none' && !this.beginCharge(pending))
      return this.responder.refuseSilently(pending, { reason: 'handshakes-too-costly' });
    const result = await shakeHands(pending.raw, {
      context,
      clientCertificate,
      chainCertificates: this.limits.chainCertificates,
      protocols: this.alpn,
      meter: pending.charge?.meter,
    });
    if (result.outcome === 'failed') return this.responder.refuseSilently(pending, faultOf(pending, result));
    pending.charge?.finish(result.evidence.presented);
    this.counters.count('handshakes');
    const destination = destinationOf({ ...result.evidence, localPlace: pending.localPlace }, this.options.connectorOf);
    if (destination === undefined) return this.responder.refuseSilently(pending, { reason: 'connector-unknown' });
    pending.destination = destination;
    const judgement = this.judge(result.evidence, security);
    if (judgement.outcome === 'refused')
      return this.responder.refuse(pending, this.open(pending, result.socket, 'current'), judgement);
    if (judgement.outcome === 'candidate') return this.admit(pending, result.socket, judgement.candidate, security);
    const session = this.open(pending, result.socket, 'current');
    if (judgement.outcome === 'outdated') session.outdated = judgement.credential;
    this.establish(session, security);
  }

  private judge(evidence: HandshakeEvidence, { clientCertificate, trust, renewableFrom }: SecurityState): Judgement {
    const { permittedKinds, leafRule, connectorOf } = this.options;
    const { chainCertificates } = this.limits;
    const isNamedLater = connectorOf !== undefined;
    const ofListener = { chainCertificates, permittedKinds, leafRule, isNamedLater };
    return judge(evidence, { clientCertificate, trust, renewableFrom, ...ofListener, now: this.now() });
  }

  /**
   * Only a client that may send certificates can make a handshake expensive. False: its network has spent its share.
   */
  private beginCharge(pending: PendingConnection): boolean {
    const { raw, remoteAddress } = pending;
    pending.charge = HandshakeCharge.begin({ raw, remoteAddress, budget: this.budget, limits: this.limits });
    return pending.charge !== undefined;
  }

  /** TLS clients show this answer as "wrong version number". Operators know that as the sign of a plain-text port. */
  private answerPlainly(pending: PendingConnection): void {
    this.counters.count('tlsOnPlain');
    if (this.http === undefined) {
      pending.raw.destroy();
      return;
    }
    pending.raw.resume();
    pending.raw.write(rawAnswer('400 Bad Request', 'This port speaks plain HTTP. Use http:// instead of https://.'));
    this.open(pending, pending.raw, 'current').end();
  }

  private async admit(
    pending: PendingConnection,
    socket: TLSSocket,
    candidate: Candidate,
    security: SecurityState,
  ): Promise<void> {
    const { deviceId, kind, ...proved } = candidate;
    const peer: Peer = { deviceId, kind, credential: { kind: 'certificate', ...proved } };
    // Enter the session in the table before asking. A revocation that comes before the answer must find it.
    const session = this.open(pending, socket, 'current', peer);
    const decision = await this.admission.decide(session, peer);
    if (decision === undefined) return;
    if (decision.outcome === 'refused') return this.responder.refuse(pending, session, decision);
    pending.charge?.waive();
    // Not simply `peer`: a reload may have changed the CAs behind it while we waited.
    session.peer = { ...(session.peer ?? peer), deviceId: decision.deviceId, kind: decision.kind };
    this.establish(session, security);
  }

  private open(pending: PendingConnection, socket: Socket, standing: Standing, peer?: Peer): ListenerSession {
    const { raw, remoteAddress } = pending;
    pending.clearDeadline();
    this.quota.endHandshake(pending);
    const session = new ListenerSession({
      raw,
      remoteAddress,
      socket,
      standing,
      since: this.now(),
      lingerMs: this.limits.lingerMs,
      hasRequests: this.http !== undefined,
      holder: pending,
      destination: pending.destination,
      ...(peer === undefined ? {} : { peer }),
    });
    this.pending.delete(raw);
    pending.session = session;
    this.sessions.add(session);
    return session;
  }

  /** Hands the session to the protocol above. Until now, nothing the client sent after the handshake was read. */
  private establish(session: ListenerSession, judgedBy = this.security.current): void {
    if (judgedBy !== this.security.current) this.reviewer.review(session);
    if (session.isOver || session.socket.destroyed) return;
    session.connection = new SessionConnection(session, this.control);
    register(session.connection);
    this.counters.count('established');
    const { peer, remoteAddress } = session;
    if (peer !== undefined) this.options.events.onAdmitted?.({ peer, remoteAddress });
    this.handOver(session, session.connection);
  }

  private handOver(session: ListenerSession, connection: Connection): void {
    const { handler } = this.options;
    if ('stream' in handler) handler.stream(connection);
    else if ('httpStream' in handler && session.standing === 'current') {
      session.upgrade();
      handler.httpStream(connection);
    } else this.http?.take(session);
  }

  /** Another owner needs this place. */
  private evict(pending: PendingConnection): void {
    const { session } = pending;
    if (session === undefined) this.responder.refuseSilently(pending, { reason: 'too-many-connections' });
    else this.cut(session, 'too-many-connections');
  }
}
