import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type { AdmissionDecision, AdmissionRequest, DeviceCertificate } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type DeviceRecord, registered, withCertificate } from '../devices/device-record.js';
import { type Decision, type DeviceChangeSet, Devices, type StoredDevice } from '../devices/devices.js';
import { authorityOf, judgePeer } from './admission-rules.js';
import { ForeignNewcomers } from './foreign-newcomers.js';
import { RefusalLedger } from './refusal-ledger.js';

/** Answers whether a peer may pass, and registers those it meets for the first time. */
@Injectable()
export class PeerAdmission {
  constructor(
    private readonly devices: Devices,
    private readonly refusals: RefusalLedger,
    private readonly newcomers: ForeignNewcomers,
    private readonly clock: Clock,
  ) {}

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
    if (!request.issuedHere && !this.newcomers.take(request))
      return { result: { outcome: 'refused', reason: 'too-many-new-certificates' } };
    return {
      result,
      change: device === undefined ? this.registration(request) : this.nextCertificate(request, device),
    };
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
