import type { AdmissionDecision } from '@sallyport/protocol';
import type { AdmissionCheck } from './admission-check.js';
import type { PeerRefusal } from './judge.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import type { Peer, TokenClaim } from './peer.js';
import type { RefusalResponder } from './refusal-responder.js';
import type { SessionTable } from './session-table.js';

export interface TokenIdentificationOptions {
  readonly options: SecureListenerOptions;
  readonly admission: AdmissionCheck;
  readonly responder: RefusalResponder;
  readonly sessions: SessionTable;
}

/** Gives sessions a peer by a token, after the connection was made. */
export class TokenIdentification {
  private readonly parts: TokenIdentificationOptions;

  constructor(parts: TokenIdentificationOptions) {
    this.parts = parts;
  }

  /** See `Connection.identify`. One call at a time for a session. */
  async identify(session: ListenerSession, claim: TokenClaim): Promise<AdmissionDecision> {
    const { options, responder } = this.parts;
    const decision = claimFault(session, claim, options) ?? (await this.decide(session, claimedPeer(claim)));
    if (session.isOver || decision === undefined)
      return { outcome: 'refused', reason: session.cutReason ?? 'admission-unavailable' };
    if (decision.outcome === 'admitted') return decision;
    responder.report(session.remoteAddress, decision);
    return { outcome: 'refused', reason: decision.reason };
  }

  private async decide(session: ListenerSession, peer: Peer) {
    const { options, admission, sessions } = this.parts;
    if (session.isOver) return undefined;
    // A revocation that comes before the answer must find the session.
    session.claim = peer;
    const decision = await admission.decide(session, peer);
    session.claim = undefined;
    if (session.isOver || decision?.outcome !== 'admitted') return decision;
    session.peer = peer;
    sessions.watch(session);
    options.events.onAdmitted?.({ peer, remoteAddress: session.remoteAddress });
    return decision;
  }
}

/** The peer that a token would make. */
function claimedPeer({ deviceId, issuer, expiresAt }: TokenClaim): Peer {
  return { deviceId, kind: 'device', credential: { kind: 'token', issuer, expiresAt } };
}

/** Why a token cannot make this session anybody's; undefined when the admission port is to be asked. */
function claimFault(
  { peer }: ListenerSession,
  { deviceId, expiresAt }: TokenClaim,
  { permittedKinds, now = () => new Date() }: Pick<SecureListenerOptions, 'permittedKinds' | 'now'>,
): PeerRefusal | undefined {
  const refuse = (detail: string): PeerRefusal => ({ outcome: 'refused', reason: 'not-permitted', detail });
  // Not "expired before now": an invalid date has no order, and must not pass.
  if (!(expiresAt > now())) return { outcome: 'refused', reason: 'token-expired' };
  if (permittedKinds?.has('device') === false) return refuse('kind "device"');
  if (peer?.credential.kind === 'certificate') return refuse('the connection has a certificate already');
  if (peer !== undefined && peer.deviceId !== deviceId) return refuse('the connection is that of another device');
  return undefined;
}
