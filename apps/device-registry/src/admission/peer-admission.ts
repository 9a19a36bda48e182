import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type { AdmissionDecision, AdmissionRequest, DeviceCertificate } from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { type DeviceRecord, registered, withCertificate } from '../devices/device-record.js';
import { type Decision, type DeviceChangeSet, Devices, type StoredDevice } from '../devices/devices.js';
import { authorityOf, judgePeer } from './admission-rules.js';
import { RefusalLedger } from './refusal-ledger.js';
import { type Rate, TokenBucket } from './token-bucket.js';

// A stolen key of a foreign CA makes as many names as its thief likes, and each is kept for good: a fleet of 2 000 is
// taken on at once, and 170 000 a day, some 0.3 GB. Certificates of this site are bounded by those who sign them.
const foreignRate: Rate = { burst: 2_000, refillMs: 500 };

/** Answers whether a peer may pass, and registers those it meets for the first time. */
@Injectable()
export class PeerAdmission {
  private readonly foreign: TokenBucket;
  private readonly floods: FaultLog;

  constructor(
    private readonly devices: Devices,
    private readonly refusals: RefusalLedger,
    private readonly clock: Clock,
    log: Log,
  ) {
    this.foreign = new TokenBucket(foreignRate, clock.now().getTime());
    this.floods = new FaultLog(log, clock, 'new certificates under foreign CAs are turned away, there are too many');
  }

  /**
   * Idempotent: of fifty first contacts with one certificate, one registers the device and all are admitted.
   *
   * @throws Problem `unavailable`, `storage-full`: nobody is admitted whom the registry could not write down
   */
  async admit(request: AdmissionRequest): Promise<AdmissionDecision> {
    const decision = await this.devices.change(request.deviceId, (device) => this.decide(request, device));
    if (decision.outcome === 'refused') {
      const { entrance, remoteAddress, fingerprint, deviceId } = request;
      await this.refusals.note({ reason: decision.reason, entrance, remoteAddress, deviceId, fingerprint });
    }
    return decision;
  }

  private async decide(
    request: AdmissionRequest,
    device: StoredDevice | undefined,
  ): Promise<Decision<AdmissionDecision>> {
    const { deviceId, kind } = request;
    const isDenied = await this.devices.isDenied(request);
    const verdict = judgePeer(request, { record: device?.record, isDenied });
    if (verdict.kind === 'refuse') return { result: { outcome: 'refused', reason: verdict.reason } };
    const result = { outcome: 'admitted' as const, deviceId, kind };
    if (verdict.kind === 'admit') return { result };
    if (!this.mayRemember(request)) return { result: { outcome: 'refused', reason: 'too-many-new-certificates' } };
    return {
      result,
      change: device === undefined ? this.registration(request) : this.nextCertificate(request, device),
    };
  }

  private mayRemember({ issuedHere, issuerFingerprint }: AdmissionRequest): boolean {
    if (issuedHere || this.foreign.take(this.clock.now().getTime())) return true;
    this.floods.note(`issuer ${issuerFingerprint}`);
    return false;
  }

  private registration(request: AdmissionRequest): DeviceChangeSet {
    const { deviceId, kind, fingerprint } = request;
    const [at, actor] = [this.clock.now().toISOString(), actorOf(request)];
    const certificate = certificateOf(request, at);
    const after = registered({ deviceId, kind, authority: authorityOf(request), certificate, at, actor });
    return { after, announced: [fingerprint], audit: [entryOf('device-registered', request)] };
  }

  private nextCertificate(request: AdmissionRequest, before: StoredDevice): DeviceChangeSet {
    const renewed = withCertificate(before.record, certificateOf(request, this.clock.now().toISOString()));
    // An entrance that did not know the CA may have come first.
    const after: DeviceRecord = request.issuedHere ? { ...renewed, authority: 'site' } : renewed;
    return { before, after, audit: [entryOf('certificate-recorded', request)] };
  }
}

function certificateOf(request: AdmissionRequest, recordedAt: string): DeviceCertificate {
  const { fingerprint, serialNumber, issuerFingerprint, notBefore, notAfter } = request;
  return { fingerprint, serialNumber, issuerFingerprint, notBefore, notAfter, recordedAt, source: 'contact' };
}

function actorOf({ entrance }: AdmissionRequest): string {
  return `entrance:${entrance}`;
}

function entryOf(action: string, request: AdmissionRequest): AuditEntry {
  const { deviceId, kind, fingerprint, serialNumber, issuerFingerprint, remoteAddress } = request;
  return {
    actor: actorOf(request),
    action,
    subject: deviceId,
    outcome: 'succeeded',
    details: { kind, fingerprint, serialNumber, issuerFingerprint, remoteAddress },
  };
}
