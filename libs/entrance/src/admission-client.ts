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

// An admission is remembered this long, unless the registry changes it. The limit matters only when an event is lost.
const cacheLifetimeMs = 60_000;
// About 10 MB when full.
const cacheLimit = 20_000;
const registryDeadlineMs = 2_500;

interface CachedDecision {
  readonly decision: AdmissionDecision;
  readonly request: CertificateAdmissionRequest;
  readonly decidedAtMs: number;
}

/** Told about every change the registry announces, after the cache has forgotten what it concerns. */
export type AdmissionListener = (change: DeviceChange | 'resynchronise') => void;

/**
 * The registry's answers, remembered by certificate fingerprint until the registry announces a change. Only "admitted"
 * is remembered: a refused peer that has been put right gets in at its next try. Fails closed: no answer, no entry.
 *
 * While announcements cannot be heard the registry is asked again; only when it is out of reach too does its last answer
 * hold, for the rest of its minute.
 */
export class AdmissionClient implements AdmissionPort {
  private readonly faults: FaultLog;
  private readonly decisions = new BoundedMap<Fingerprint, CachedDecision>(cacheLimit);
  // An answer given before a change was announced must not be remembered after it.
  private changes = 0;

  constructor(
    private readonly context: ConnectedContext,
    private readonly onChange: AdmissionListener,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'device registry did not answer');
  }

  /** Subscribes to the registry's announcements; without them nothing would be forgotten in time. */
  async start(): Promise<void> {
    const { mqtt } = this.context;
    // Not durable: whatever was missed, the answers remembered until then are forgotten.
    await subscribeEvent(mqtt, deviceChanged, async (change) => this.forget(change), { isDurable: false });
    // Announcements may have been missed while the session was down.
    mqtt.onReconnect(() => this.resynchronise());
  }

  async admit(request: AdmissionRequest): Promise<AdmissionDecision> {
    // Only answers about certificates are remembered: tokens are short-lived, and come seldom.
    return isTokenAdmission(request) ? this.ask(request) : this.admitCertificate(request);
  }

  private async admitCertificate(request: CertificateAdmissionRequest): Promise<AdmissionDecision> {
    const nowMs = this.context.clock.now().getTime();
    const known = this.recall(request, nowMs);
    if (known !== undefined && this.context.mqtt.isConnected) return known;
    const changesBefore = this.changes;
    const decision = await this.ask(request);
    if (decision.outcome === 'admitted' && this.changes === changesBefore) this.remember(request, decision, nowMs);
    return known !== undefined && isNoAnswer(decision) ? known : decision;
  }

  /** Asks the registry past the cache. */
  async ask(request: AdmissionRequest): Promise<AdmissionDecision> {
    try {
      return await this.context.rpc.call(admitPeer, request, { deadlineMs: registryDeadlineMs });
    } catch (error) {
      this.faults.note(error);
      return { outcome: 'refused', reason: 'admission-unavailable' };
    }
  }

  private recall(request: CertificateAdmissionRequest, nowMs: number): AdmissionDecision | undefined {
    const cached = this.decisions.get(request.fingerprint);
    if (cached === undefined || !isSameQuestion(cached.request, request)) return undefined;
    const ageMs = nowMs - cached.decidedAtMs;
    // A clock that was set back makes no answer last longer.
    return ageMs >= 0 && ageMs < cacheLifetimeMs ? cached.decision : undefined;
  }

  private remember(request: CertificateAdmissionRequest, decision: AdmissionDecision, nowMs: number): void {
    this.decisions.set(request.fingerprint, { decision, request, decidedAtMs: nowMs });
  }

  private forget(change: DeviceChange): void {
    this.changes += 1;
    for (const [fingerprint, { request }] of this.decisions)
      if (request.deviceId === change.deviceId) this.decisions.delete(fingerprint);
    this.onChange(change);
  }

  private resynchronise(): void {
    this.changes += 1;
    this.decisions.clear();
    this.onChange('resynchronise');
  }
}

/** One certificate is another peer to the registry once other CAs count as the site's own. */
function isSameQuestion(one: CertificateAdmissionRequest, other: CertificateAdmissionRequest): boolean {
  return (
    one.kind === other.kind &&
    one.issuedHere === other.issuedHere &&
    one.issuerFingerprint === other.issuerFingerprint &&
    one.authorities.join() === other.authorities.join()
  );
}

function isNoAnswer(decision: AdmissionDecision): boolean {
  return decision.outcome === 'refused' && decision.reason === 'admission-unavailable';
}
