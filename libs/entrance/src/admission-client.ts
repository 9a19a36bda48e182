import { BoundedMap } from '@sallyport/concurrency';
import { subscribeEvent } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  admitPeer,
  type CertificateAdmissionRequest,
  type DeviceChange,
  deviceChanged,
  type Fingerprint,
  isTokenAdmission,
} from '@sallyport/protocol';
import { type ConnectedContext, FaultLog } from '@sallyport/runtime';
import type { AdmissionPort } from '@sallyport/tls';
import { AnnouncedChanges } from './announced-changes.js';
import type { ContactReports } from './contact-reports.js';
import { contactDeadlineMs, isFresh, mostRemembered, noAnswer, registryDeadlineMs } from './registry-answers.js';

// A device may be changed again while the registry is asked about it.
const mostTries = 3;

type Admitted = Extract<AdmissionDecision, { readonly outcome: 'admitted' }>;

interface CachedDecision {
  readonly decision: Admitted;
  readonly request: CertificateAdmissionRequest;
  readonly decidedAtMs: number;
}

/** Called for every change the registry announces, after the cache has forgotten what it concerns. */
export type AdmissionListener = (change: DeviceChange | 'resynchronise') => void;

export interface AdmissionClientOptions {
  readonly onChange: AdmissionListener;
  /** Is told who comes in by a remembered answer. */
  readonly contacts: Pick<ContactReports, 'note'>;
}

/**
 * Asks the registry, and remembers its answers by certificate fingerprint until it announces a change. Remembers only
 * "admitted", so that a refused peer can pass as soon as the fault is mended. Fails closed: no answer, no entry.
 *
 * While announcements cannot be received, the registry is asked each time. If it cannot be reached either, a remembered
 * answer is used until it is a minute old.
 */
export class AdmissionClient implements AdmissionPort {
  private readonly faults: FaultLog;
  // About 10 MB when full.
  private readonly decisions = new BoundedMap<Fingerprint, CachedDecision>(mostRemembered);
  private readonly changes = new AnnouncedChanges();

  constructor(
    private readonly context: ConnectedContext,
    private readonly options: AdmissionClientOptions,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'device registry did not answer');
  }

  /** Subscribes to the registry's announcements. Without them, answers would be remembered for too long. */
  async start(): Promise<void> {
    const { mqtt } = this.context;
    // Not durable: whatever was missed, the answers remembered until then are forgotten.
    await subscribeEvent(mqtt, deviceChanged, async (change) => this.forget(change), {
      isDurable: false,
      // Such as one of a newer registry: it may have revoked a device, and nobody knows which.
      onInvalid: () => this.resynchronise(),
    });
    // Announcements may have been missed while the connection was down.
    mqtt.onReconnect(() => this.resynchronise());
  }

  async admit(request: AdmissionRequest): Promise<AdmissionDecision> {
    // Only answers about certificates are remembered. Tokens are short-lived, and come seldom.
    return isTokenAdmission(request) ? this.ask(request) : this.admitCertificate(request);
  }

  private async admitCertificate(request: CertificateAdmissionRequest): Promise<AdmissionDecision> {
    const nowMs = this.context.clock.now().getTime();
    const known = this.recall(request, nowMs);
    if (known !== undefined && this.context.mqtt.isConnected) return this.admitAgain(request, known);
    const decision = await this.askInPeace(request, nowMs);
    return known !== undefined && isNoAnswer(decision) ? this.admitAgain(request, known) : decision;
  }

  private admitAgain({ entrance, remoteAddress }: CertificateAdmissionRequest, known: Admitted): Admitted {
    this.options.contacts.note({ deviceId: known.deviceId, entrance, remoteAddress });
    return known;
  }

  /**
   * An answer from before a change of its device must not be remembered after it. A session that waits for its answer is
   * found by the name in its certificate. When the device has another name, nobody else would notice the change.
   */
  private async askInPeace(request: CertificateAdmissionRequest, nowMs: number): Promise<AdmissionDecision> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { answer: decision, hasChanged } = await this.changes.during(() => this.ask(request));
      if (decision.outcome === 'refused') return decision;
      if (!hasChanged(decision.deviceId)) {
        this.remember(request, decision, nowMs);
        return decision;
      }
      if (decision.deviceId === request.deviceId) return decision;
    }
    return noAnswer;
  }

  /** Asks the registry, not the cache. */
  async ask(request: AdmissionRequest): Promise<AdmissionDecision> {
    try {
      const isContact = !isTokenAdmission(request) && request.connector !== undefined;
      const deadlineMs = isContact ? contactDeadlineMs : registryDeadlineMs;
      return await this.context.rpc.call(admitPeer, request, { deadlineMs });
    } catch (error) {
      this.faults.note(error);
      return noAnswer;
    }
  }

  private recall(request: CertificateAdmissionRequest, nowMs: number): Admitted | undefined {
    const cached = this.decisions.get(request.fingerprint);
    if (cached === undefined || !isSameQuestion(cached.request, request)) return undefined;
    return isFresh(cached.decidedAtMs, nowMs) ? cached.decision : undefined;
  }

  private remember(request: CertificateAdmissionRequest, decision: Admitted, nowMs: number): void {
    this.decisions.set(request.fingerprint, { decision, request, decidedAtMs: nowMs });
  }

  private forget(change: DeviceChange): void {
    this.changes.note(change.deviceId);
    for (const [fingerprint, cached] of this.decisions) if (isAbout(cached, change)) this.decisions.delete(fingerprint);
    this.options.onChange(change);
  }

  private resynchronise(): void {
    this.forgetAll();
    this.options.onChange('resynchronise');
  }

  /** Every answer may be another one now. */
  forgetAll(): void {
    this.changes.note(undefined);
    this.decisions.clear();
  }
}

/** At a connector the name in the record may differ from the name in the certificate. */
function isAbout({ request, decision }: CachedDecision, { deviceId }: DeviceChange): boolean {
  return request.deviceId === deviceId || decision.deviceId === deviceId;
}

/** The registry may decide differently about the same certificate when the CAs of this site have changed. */
function isSameQuestion(one: CertificateAdmissionRequest, other: CertificateAdmissionRequest): boolean {
  return (
    one.kind === other.kind &&
    one.connector?.name === other.connector?.name &&
    one.issuedHere === other.issuedHere &&
    one.issuerFingerprint === other.issuerFingerprint &&
    one.authorities.join() === other.authorities.join()
  );
}

function isNoAnswer(decision: AdmissionDecision): boolean {
  return decision.outcome === 'refused' && decision.reason === noAnswer.reason;
}
