import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AdmissionDecision, RefusalReason } from '@sallyport/protocol';
import { admissionRequestFor, askAdmission } from './admission.js';
import { ConnectionGate } from './connection-gate.js';
import { listenForSpeech } from './first-byte.js';
import { type Generation, reconsider } from './generation.js';
import { shakeHands } from './handshake.js';
import { HandshakeBudget } from './handshake-budget.js';
import { HandshakeToll } from './handshake-toll.js';
import { HttpFront, rawAnswer } from './http-front.js';
import { type Candidate, judge } from './judge.js';
import type { Limits } from './limits.js';
import type { SecureListenerOptions } from './listener-options.js';
import { introduce, type Peer } from './peer.js';
import { faultOf, Refuser } from './refuser.js';
import { type Revalidation, revalidate } from './revalidation.js';
import { Session, type Standing } from './session.js';
import { SessionTable } from './session-table.js';
import type { Tally } from './tally.js';
import { Visitor } from './visitor.js';

export interface ReceptionOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly tally: Tally;
  readonly generation: Generation;
}

/** Takes each connection from its first byte to a session or a refusal, and decides anew when settings change. */
export class Reception {
  readonly sessions: SessionTable;
  readonly #options: SecureListenerOptions;
  readonly #limits: Limits;
  readonly #tally: Tally;
  readonly #now: () => Date;
  readonly #gate: ConnectionGate;
  readonly #budget = new HandshakeBudget();
  readonly #front: HttpFront | undefined;
  readonly #refuser: Refuser;
  /** Connections that are no session yet. */
  readonly #visitors = new Set<Socket>();
  #generation: Generation;
  #former: { readonly generation: Generation; readonly until: number } | undefined;

  constructor({ options, limits, tally, generation }: ReceptionOptions) {
    this.#options = options;
    this.#limits = limits;
    this.#tally = tally;
    this.#now = options.now ?? (() => new Date());
    this.#gate = new ConnectionGate(limits);
    this.#generation = generation;
    this.sessions = new SessionTable(this.#now, (session, reason) => this.cut(session, reason));
    this.#front = 'http' in options.handler ? this.#openFront(options.handler.http) : undefined;
    this.#refuser = new Refuser({ options, limits, tally, front: this.#front });
  }

  get generation(): Generation {
    return this.#generation;
  }

  /** Receives a new TCP connection. */
  welcome(raw: Socket): void {
    const visitor = new Visitor(raw, {
      deadlineMs: this.#limits.handshakeMs,
      onEvicted: (evicted) => this.#evict(evicted),
    });
    this.#tally.count('accepted');
    // Peers reset connections all the time; what counts is that it is closed.
    raw.on('error', () => raw.destroy());
    if (!this.#gate.enter(visitor.remoteAddress, visitor)) {
      this.#refuser.keepOut(visitor, { reason: 'too-many-connections' });
      return;
    }
    this.#visitors.add(raw);
    raw.once('close', () => {
      visitor.settle();
      this.#visitors.delete(raw);
      this.#gate.leave(visitor);
    });
    this.#receive(visitor).catch((error: unknown) => {
      raw.destroy();
      this.#options.events.onWarning('a connection ended by an unexpected error', { error });
    });
  }

  /** Judges by new settings from here on, live sessions included. */
  enter(generation: Generation): void {
    if (generation.level !== 'plain') this.#former = undefined;
    else if (this.#generation.context !== undefined)
      this.#former = { generation: this.#generation, until: performance.now() + this.#limits.formerTlsMs };
    this.#generation = generation;
    for (const session of this.sessions) if (session.refusal === undefined) this.#reconsider(session);
  }

  /** Ends a session for a reason, and reports it once. */
  cut(session: Session, reason: RefusalReason): void {
    if (session.isCut) return;
    this.#refuser.report(session.remoteAddress, {
      reason,
      ...(session.vouched !== undefined && { certificate: session.vouched.peer.certificate }),
    });
    session.cut();
  }

  /** Lets requests in flight finish and ends everything else. */
  drain(drainMs: number): void {
    this.#refuser.close();
    for (const raw of this.#visitors) raw.destroy();
    for (const session of this.sessions) session.retire('draining', { idleMs: 0, hardMs: drainMs });
  }

  close(): void {
    this.sessions.stop();
    this.#front?.close();
  }

  #openFront(handler: ConstructorParameters<typeof HttpFront>[0]['handler']): HttpFront {
    return new HttpFront({
      handler,
      limits: this.#limits,
      sessionOf: (socket) => this.sessions.of(socket),
      onTurned: (how) => this.#tally.count(how === 'redirect' ? 'redirected' : 'faultyRequests'),
    });
  }

  async #receive(visitor: Visitor): Promise<void> {
    const speech = await listenForSpeech(visitor.raw);
    switch (speech) {
      case 'silent':
        this.#tally.count('silent');
        visitor.raw.destroy();
        return;
      case 'plain':
        this.#receivePlain(visitor);
        return;
      case 'tls':
        await this.#receiveTls(visitor);
        return;
      default:
        speech satisfies never;
    }
  }

  #receivePlain(visitor: Visitor): void {
    const isWelcome = this.#generation.level === 'plain';
    if (!isWelcome) this.#tally.count('plainOnTls');
    if (isWelcome || this.#front !== undefined)
      this.#establish(this.#open(visitor, visitor.raw, isWelcome ? 'current' : 'redirected'));
    else visitor.raw.destroy();
  }

  async #receiveTls(visitor: Visitor): Promise<void> {
    const generation = this.#tlsGeneration();
    const { context, clientCertificate, trust } = generation;
    if (context === undefined) return this.#answerPlainly(visitor);
    if (clientCertificate !== 'none' && !this.#takeToll(visitor))
      return this.#refuser.turnAway(visitor, { reason: 'handshakes-too-costly' });
    const result = await shakeHands(visitor.raw, {
      context,
      clientCertificate,
      chainCertificates: this.#limits.chainCertificates,
      // curl --http1.0 offers the older one alone; the answer to it is HTTP/1.0's all the same.
      protocols: this.#front === undefined ? [] : ['http/1.1', 'http/1.0'],
      meter: visitor.toll?.meter,
    });
    if (result.outcome === 'failed') return this.#refuser.turnAway(visitor, faultOf(visitor, result));
    visitor.toll?.finish(result.evidence.presented);
    this.#tally.count('handshakes');
    const judgement = judge(result.evidence, {
      clientCertificate,
      trust,
      chainCertificates: this.#limits.chainCertificates,
      now: this.#now(),
      ...(this.#options.permittedKinds !== undefined && { permittedKinds: this.#options.permittedKinds }),
    });
    if (judgement.outcome === 'refused')
      return this.#refuser.refuse(visitor, this.#open(visitor, result.socket, 'current'), judgement);
    if (judgement.outcome === 'candidate') return this.#admit(visitor, result.socket, judgement.candidate, generation);
    this.#establish(this.#open(visitor, result.socket, 'current'), generation);
  }

  /** Only who may send certificates can make a handshake expensive. False when the network has spent its share. */
  #takeToll(visitor: Visitor): boolean {
    const { raw, remoteAddress } = visitor;
    visitor.toll = HandshakeToll.begin({ raw, remoteAddress, budget: this.#budget, limits: this.#limits });
    return visitor.toll !== undefined;
  }

  /** The generation a TLS client is served by: for a little while after a switch to plain HTTP, the former one. */
  #tlsGeneration(): Generation {
    const former = this.#former;
    return former !== undefined && performance.now() < former.until ? former.generation : this.#generation;
  }

  /** A TLS library shows such an answer as "wrong version number", the usual sign of a plain-text port. */
  #answerPlainly(visitor: Visitor): void {
    this.#tally.count('tlsOnPlain');
    if (this.#front === undefined) {
      visitor.raw.destroy();
      return;
    }
    visitor.raw.resume();
    visitor.raw.write(rawAnswer('400 Bad Request', 'This port speaks plain HTTP. Use http:// instead of https://.'));
    this.#open(visitor, visitor.raw, 'current').end();
  }

  async #admit(visitor: Visitor, socket: TLSSocket, candidate: Candidate, generation: Generation): Promise<void> {
    const { certificate, path, deviceId, kind, issuedHere } = candidate;
    const peer: Peer = { certificate, deviceId, kind, issuedHere, fingerprint: certificate.fingerprint };
    // In the table before the question is asked: a revocation that comes before its answer must find it.
    const session = this.#open(visitor, socket, 'current', { peer, path });
    const { remoteAddress } = visitor;
    const request = admissionRequestFor(candidate, { entrance: this.#options.name, remoteAddress });
    const decision = await askAdmission(this.#options.admission, request, this.#limits.admissionMs);
    if (session.isOver) return;
    if (decision.outcome === 'refused') return this.#refuser.refuse(visitor, session, { ...decision, certificate });
    if (this.#options.permittedKinds?.has(decision.kind) === false)
      return this.#refuser.refuse(visitor, session, { reason: 'not-permitted', certificate });
    if (!this.#gate.prove(visitor, decision.deviceId))
      return this.#refuser.refuse(visitor, session, { reason: 'too-many-connections', certificate });
    visitor.toll?.waive();
    const admitted: Peer = { ...peer, deviceId: decision.deviceId, kind: decision.kind };
    session.vouched = { peer: admitted, path: session.vouched?.path ?? path };
    this.#establish(session, generation);
  }

  /** Asks again about the sessions given; cuts those that are not admitted any more, or not vouched for in time. */
  revalidate(sessions: readonly Session[], { graceMs }: Pick<Revalidation, 'graceMs'>): Promise<void> {
    return revalidate(sessions, { graceMs, ask: (each) => this.#askAgain(each), cut: (...args) => this.cut(...args) });
  }

  async #askAgain({ vouched, remoteAddress }: Session): Promise<AdmissionDecision> {
    if (vouched === undefined) return { outcome: 'refused', reason: 'no-certificate' };
    const candidate = { ...vouched.peer, path: vouched.path };
    const request = admissionRequestFor(candidate, { entrance: this.#options.name, remoteAddress });
    return await askAdmission(this.#options.admission, request, this.#limits.admissionMs);
  }

  #open(visitor: Visitor, socket: Socket, standing: Standing, vouched?: Session['vouched']): Session {
    const { raw, remoteAddress } = visitor;
    visitor.settle();
    this.#gate.arrive(visitor);
    const session = new Session({
      raw,
      remoteAddress,
      socket,
      standing,
      since: this.#now(),
      lingerMs: this.#limits.lingerMs,
      hasRequests: this.#front !== undefined,
      ...(vouched !== undefined && { vouched }),
    });
    this.#visitors.delete(raw);
    visitor.session = session;
    this.sessions.add(session);
    return session;
  }

  /** Hands the session to the protocol above. Nothing of what the client sent has been read before. */
  #establish(session: Session, judgedBy = this.#generation): void {
    if (judgedBy !== this.#generation) this.#reconsider(session);
    if (session.isOver || session.socket.destroyed) return;
    const peer = session.vouched?.peer;
    session.isEstablished = true;
    this.#tally.count('established');
    if (peer !== undefined) {
      introduce(session.socket, peer);
      this.#options.events.onAdmitted?.({ peer, remoteAddress: session.remoteAddress });
    }
    if ('stream' in this.#options.handler) this.#options.handler.stream(session.socket, peer);
    else this.#front?.take(session);
  }

  #reconsider(session: Session): void {
    const verdict = reconsider(session, this.#generation);
    switch (verdict.outcome) {
      case 'keep':
        session.vouched = verdict.vouched ?? session.vouched;
        this.sessions.watch(session);
        return;
      case 'redirect':
        if (this.#front === undefined) session.cut();
        else session.retire('redirected', { idleMs: this.#limits.retireIdleMs, hardMs: this.#limits.drainMs });
        return;
      case 'cut':
        this.cut(session, verdict.reason);
        return;
      default:
        verdict satisfies never;
    }
  }

  /** Somebody who has less needs the place. */
  #evict(visitor: Visitor): void {
    const { session } = visitor;
    if (session === undefined) this.#refuser.turnAway(visitor, { reason: 'too-many-connections' });
    else this.cut(session, 'too-many-connections');
  }
}
