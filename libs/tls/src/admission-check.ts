import type { AdmissionDecision } from '@sallyport/protocol';
import { admissionRequestFor, askAdmission } from './admission.js';
import type { ConnectionQuota } from './connection-quota.js';
import type { PeerRefusal } from './judge.js';
import type { Limits } from './limits.js';
import type { SecureListenerOptions } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import { certificateOf, type Peer } from './peer.js';

export interface AdmissionCheckOptions {
  readonly options: SecureListenerOptions;
  readonly limits: Limits;
  readonly quota: ConnectionQuota;
}

type Admitted = Extract<AdmissionDecision, { readonly outcome: 'admitted' }>;

/** Decides with the admission port whether a peer may pass. */
export class AdmissionCheck {
  private readonly parts: AdmissionCheckOptions;

  constructor(parts: AdmissionCheckOptions) {
    this.parts = parts;
  }

  /** Asks the port, and gives the peer its place among the connections. Undefined when the session ended meanwhile. */
  async decide(session: ListenerSession, peer: Peer): Promise<Admitted | PeerRefusal | undefined> {
    const { options, quota } = this.parts;
    const certificate = certificateOf(peer);
    const known = certificate === undefined ? {} : { certificate };
    const decision = await this.ask(session, peer);
    if (session.isOver) return undefined;
    if (decision.outcome === 'refused') return { ...decision, ...known };
    if (options.permittedKinds?.has(decision.kind) === false || !suits(peer, decision))
      return { outcome: 'refused', reason: 'not-permitted', ...known };
    if (!quota.identify(session.holder, decision.deviceId))
      return { outcome: 'refused', reason: 'too-many-connections', ...known };
    return decision;
  }

  /** Asks the port about a peer, without any effect here. */
  ask(
    { remoteAddress, destination }: ListenerSession,
    peer: Peer,
  ): Promise<AdmissionDecision & { readonly detail?: string }> {
    const { options, limits } = this.parts;
    const request = admissionRequestFor(peer, {
      entrance: options.name,
      remoteAddress,
      connector: destination.connector,
    });
    const deadlineMs = destination.connector === undefined ? limits.admissionMs : limits.contactMs;
    return askAdmission(options.admission, request, deadlineMs);
  }
}

/** A token makes a device, never a service or an administrator, and no other device than it names. */
function suits({ credential, deviceId }: Peer, decision: Admitted): boolean {
  return credential.kind === 'certificate' || (decision.kind === 'device' && decision.deviceId === deviceId);
}
