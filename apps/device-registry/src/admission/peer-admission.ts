import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import {
  type AdmissionDecision,
  type CertificateAdmissionRequest,
  canonicalDeviceId,
  type DeviceEventType,
  type NewDeviceEvent,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Authorities } from '../devices/authorities.js';
import { DeviceLists } from '../devices/device-lists.js';
import { type DeviceRecord, registered, shownCertificate, withCertificate } from '../devices/device-record.js';
import { type Decision, type DeviceChangeSet, Devices, type StoredDevice } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { authorityOf, isFormerAuthority, judgePeer, vouchingCa } from './admission-rules.js';
import { ForeignNewcomers } from './foreign-newcomers.js';
import { RefusalRecorder } from './refusal-recorder.js';

/** Answers whether a peer is admitted, and registers peers that come for the first time. */
@Injectable()
export class PeerAdmission {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly authorities: Authorities,
    private readonly refusals: RefusalRecorder,
    private readonly newcomers: ForeignNewcomers,
    private readonly clock: Clock,
    private readonly site: RegistrySite,
  ) {}

  /**
   * Idempotent: after fifty parallel first contacts with one certificate the device is registered once, and all are
   * admitted.
   *
   * @throws Problem `unavailable`, `storage-full`: the registry could not store the peer, so it does not admit it
   */
  async admit(asked: CertificateAdmissionRequest): Promise<AdmissionDecision> {
    const request = { ...asked, deviceId: canonicalDeviceId(asked.deviceId) };
    const decision = await this.devices.change(request.deviceId, (device) => this.decide(request, device));
    if (decision.outcome === 'refused') {
      const { entrance, remoteAddress, fingerprint, deviceId } = request;
      await this.refusals.note({ reason: decision.reason, entrance, remoteAddress, deviceId, fingerprint });
    }
    return decision;
  }

  private async decide(
    request: CertificateAdmissionRequest,
    device: StoredDevice | undefined,
  ): Promise<Decision<AdmissionDecision>> {
    const { deviceId, kind, fingerprint, serialNumber, knownIssuerFingerprints, authorities } = request;
    if (this.site.isDistrusted(request)) return { result: { outcome: 'refused', reason: 'issuer-unknown' } };
    if (device === undefined) await this.site.requireKnown();
    const listed = await this.refusalByLists(request, device);
    if (listed !== undefined) return { result: { outcome: 'refused', reason: listed } };
    const issuers = [...knownIssuerFingerprints, ...authorities.slice(0, 1)];
    const isDenied = await this.devices.isDenied({ fingerprint, serialNumber, issuers });
    const judged = judgePeer(request, { record: device?.record, isDenied });
    if (judged.kind === 'refuse') return { result: { outcome: 'refused', reason: judged.reason } };
    const result = { outcome: 'admitted' as const, deviceId, kind };
    if (judged.kind === 'admit') return { result };
    if (judged.kind === 'recognise') return { result, change: await this.recognition(request, device) };
    if (!request.issuedHere && !this.newcomers.take(request))
      return { result: { outcome: 'refused', reason: 'too-many-new-certificates' } };
    return {
      result,
      change: device === undefined ? await this.registration(request) : await this.nextCertificate(request, device),
    };
  }

  /** Names and certificates that administrators refuse, whoever vouches for them. Services are not on these lists. */
  private async refusalByLists(
    { deviceId, fingerprint, kind }: CertificateAdmissionRequest,
    device: StoredDevice | undefined,
  ): Promise<'identity-denied' | 'device-deleted' | undefined> {
    if (kind === 'service') return undefined;
    if ((await this.lists.denialOf({ deviceId, fingerprint })) !== undefined) return 'identity-denied';
    if (device !== undefined) return undefined;
    return (await this.lists.deletedNameOf({ deviceId, fingerprint })) === undefined ? undefined : 'device-deleted';
  }

  private async registration(request: CertificateAdmissionRequest): Promise<DeviceChangeSet> {
    const { deviceId, kind, fingerprint } = request;
    const [at, actor] = [this.clock.now().toISOString(), actorOf(request)];
    const certificate = shownCertificate(request, at);
    const after = registered({ deviceId, kind, authority: authorityOf(request), certificate, at, actor });
    await this.keepName(request, after);
    return {
      after,
      announced: [fingerprint],
      events: [eventOf('provisioned', request)],
      audit: [entryOf('device-registered', request)],
    };
  }

  private async nextCertificate(request: CertificateAdmissionRequest, before: StoredDevice): Promise<DeviceChangeSet> {
    const renewed = withCertificate(before.record, shownCertificate(request, this.clock.now().toISOString()));
    // The first question may have come from an entrance that did not know the CA, or an older version wrote the record.
    const isKnownBetter = request.issuedHere || isFormerAuthority(renewed.authority);
    const after: DeviceRecord = isKnownBetter ? { ...renewed, authority: authorityOf(request) } : renewed;
    await this.keepName(request, after);
    return {
      before,
      after,
      events: [eventOf('certificate_added', request)],
      audit: [entryOf('certificate-recorded', request)],
    };
  }

  private async recognition(
    request: CertificateAdmissionRequest,
    before: StoredDevice | undefined,
  ): Promise<DeviceChangeSet> {
    if (before === undefined) return this.registration(request);
    const after: DeviceRecord = { ...before.record, authority: authorityOf(request) };
    const entry = entryOf('authority-recognised', request);
    const details = { ...entry.details, from: before.record.authority, to: after.authority };
    await this.keepName(request, after);
    return { before, after, audit: [{ ...entry, details }] };
  }

  /** Stores the name of the CA in the record, if this CA vouches now. */
  private async keepName(request: CertificateAdmissionRequest, { authority }: DeviceRecord): Promise<void> {
    const ca = vouchingCa(request);
    if (authority === ca.id) await this.authorities.keepName(ca);
  }
}

function actorOf({ entrance }: CertificateAdmissionRequest): string {
  return `entrance:${entrance}`;
}

function eventOf(type: DeviceEventType, request: CertificateAdmissionRequest): NewDeviceEvent {
  const { deviceId: device, fingerprint, remoteAddress: address, entrance } = request;
  return {
    type,
    device,
    fingerprint,
    actor: actorOf(request),
    ...(address === '' ? {} : { address }),
    payload: { entrance },
  };
}

function entryOf(action: string, request: CertificateAdmissionRequest): AuditEntry {
  const { deviceId, kind, fingerprint, serialNumber, issuerFingerprint, remoteAddress } = request;
  return {
    actor: actorOf(request),
    action,
    subject: deviceId,
    outcome: 'succeeded',
    details: { kind, fingerprint, serialNumber, issuerFingerprint, remoteAddress },
  };
}
