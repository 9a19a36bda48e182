import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type {
  DeviceCertificate,
  DeviceEventType,
  IssuedCertificate,
  NewDeviceEvent,
  StateChange,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { DeviceLists } from '../devices/device-lists.js';
import {
  type DeviceRecord,
  fingerprintsOf,
  holdsCertificate,
  isUnvouched,
  registered,
  withCertificate,
  withRevoked,
  withState,
} from '../devices/device-record.js';
import { type Decision, type DeviceChangeSet, Devices, type StoredDevice } from '../devices/devices.js';
import { isSameParty } from './admission-rules.js';

const actor = 'pki-signer';

/** Stores what the signer issued. An event may come twice, or late, or after the first use of the certificate. */
@Injectable()
export class IssuedCertificates {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly clock: Clock,
  ) {}

  /** @throws Problem `unavailable`, `storage-full`: not written; the event must come again */
  async take(issued: IssuedCertificate): Promise<void> {
    await this.devices.change(issued.deviceId, (device) => this.decide(issued, device));
  }

  private async decide(issued: IssuedCertificate, device: StoredDevice | undefined): Promise<Decision<void>> {
    if (await this.devices.isDenied({ ...issued, issuers: issuersOf(issued) })) return { result: undefined };
    if (device === undefined && (await this.lists.deletedNameOf(issued)) !== undefined)
      return { result: undefined, change: deleted(issued) };
    const recognised = device && asOfSite(issued, device);
    if (recognised === undefined || !holdsCertificate(recognised.record, issued.fingerprint))
      return { result: undefined, change: this.changeFor(issued, recognised) };
    if (recognised === device) return { result: undefined };
    const change = { before: device, after: recognised.record, audit: [entryOf('device-recognised', issued)] };
    return { result: undefined, change };
  }

  private changeFor(issued: IssuedCertificate, device: StoredDevice | undefined): DeviceChangeSet {
    if (device === undefined) return this.registration(issued);
    switch (standingOf(issued, device.record)) {
      case 'conflict':
        return conflict(issued, device);
      case 'too-late':
        return this.tooLate(issued, device);
      case 'reinstates':
        return this.reinstatement(issued, device);
      case 'in-order': {
        const after: DeviceRecord = {
          ...withCertificate(device.record, this.certificateOf(issued)),
          authority: 'site',
        };
        return {
          before: device,
          after,
          events: [eventOf('certificate_added', issued)],
          audit: [entryOf('certificate-recorded', issued)],
        };
      }
    }
  }

  private registration(issued: IssuedCertificate): DeviceChangeSet {
    const { deviceId, kind, fingerprint } = issued;
    const [at, certificate] = [this.now(), this.certificateOf(issued)];
    const after = registered({ deviceId, kind, authority: 'site', certificate, at, actor });
    return {
      after,
      announced: [fingerprint],
      events: [eventOf('provisioned', issued)],
      audit: [entryOf('device-registered', issued)],
    };
  }

  /** The device is admitted again, with this certificate only. All earlier ones stay refused for ever. */
  private reinstatement(issued: IssuedCertificate, before: StoredDevice): DeviceChangeSet {
    const { record } = before;
    const at = this.now();
    const change: StateChange = { state: 'active', at, actor, reason: 'reinstated by a new certificate' };
    const cleared = withRevoked(withState(record, change), { revokedAt: at, reason: 'superseded' });
    const withNew = withCertificate(cleared, this.certificateOf(issued));
    const after: DeviceRecord = { ...withNew, authority: 'site', admitsAfter: issued.notBefore };
    return {
      before,
      after,
      denied: record.certificates,
      announced: [...fingerprintsOf(record), issued.fingerprint],
      events: [eventOf('reinstated', issued)],
      audit: [entryOf('device-reinstated', issued)],
    };
  }

  /**
   * Signed while the device was revoked or retired. It is never admitted, and announced so that the signer revokes it.
   */
  private tooLate(issued: IssuedCertificate, before: StoredDevice): DeviceChangeSet {
    const { record } = before;
    const revocation = { revokedAt: this.now(), reason: `device ${record.state}` };
    const after = withCertificate(record, { ...this.certificateOf(issued), revocation });
    const audit = [entryOf('certificate-refused', issued, `device-${record.state}`)];
    return { before, after, denied: [identityOf(issued)], announced: [issued.fingerprint], audit };
  }

  private certificateOf(issued: IssuedCertificate): DeviceCertificate {
    const { notBefore, notAfter } = issued;
    return {
      ...identityOf(issued),
      notBefore,
      notAfter,
      recordedAt: this.now(),
      source: 'issued',
    };
  }

  private now(): string {
    return this.clock.now().toISOString();
  }
}

/** The entrance did not know that the CA is of this site, so it reported a device of a foreign CA. */
function asOfSite({ issuerFingerprint, kind }: IssuedCertificate, device: StoredDevice): StoredDevice {
  const { authority, certificates } = device.record;
  if (authority === 'site' || !certificates.some((held) => held.issuerFingerprint === issuerFingerprint)) return device;
  return { ...device, record: { ...device.record, authority: 'site', kind } };
}

function identityOf({ fingerprint, serialNumber, issuerFingerprint, issuerAuthority: issuer }: IssuedCertificate) {
  return { fingerprint, serialNumber, issuerFingerprint, ...(issuer === undefined ? {} : { issuer }) };
}

function issuersOf({ issuerFingerprint, issuerAuthority }: IssuedCertificate) {
  return issuerAuthority === undefined ? [issuerFingerprint] : [issuerFingerprint, issuerAuthority];
}

/** What a new certificate means for a name the registry knows. */
function standingOf(issued: IssuedCertificate, record: DeviceRecord) {
  if (!isSameParty(issued, record)) return 'conflict';
  if (record.state === 'retired') return 'too-late';
  if (record.state === 'revoked') return issued.reinstate && cameAfter(issued, record) ? 'reinstates' : 'too-late';
  if (record.authority === 'site' || isUnvouched(record)) return 'in-order';
  // An administrator may move a device from another CA to the CA of this site. The token says so.
  return issued.reinstate && record.state === 'active' ? 'reinstates' : 'conflict';
}

/** The event may be late: the device may have been revoked after it. The signer compares the same two times. */
function cameAfter({ issuedAt }: IssuedCertificate, { states, registeredAt }: DeviceRecord): boolean {
  return Date.parse(issuedAt) > Date.parse(states[0]?.at ?? registeredAt);
}

/** Signed while the device was being deleted. The certificate is never admitted. */
function deleted(issued: IssuedCertificate): DeviceChangeSet {
  return { denied: [identityOf(issued)], audit: [entryOf('certificate-refused', issued, 'device-deleted')] };
}

/** The name belongs to another party. The certificate is denied, so a second copy of the event changes nothing. */
function conflict(issued: IssuedCertificate, before: StoredDevice): DeviceChangeSet {
  return {
    before,
    denied: [identityOf(issued)],
    events: [eventOf('identity_conflict', issued)],
    audit: [entryOf('certificate-refused', issued, 'name-conflict')],
  };
}

function eventOf(type: DeviceEventType, { deviceId: device, fingerprint }: IssuedCertificate): NewDeviceEvent {
  return { type, device, fingerprint, actor };
}

function entryOf(action: string, issued: IssuedCertificate, reason?: string): AuditEntry {
  const { deviceId, kind, profile, fingerprint, serialNumber, issuerFingerprint } = issued;
  const details = { kind, profile, fingerprint, serialNumber, issuerFingerprint };
  if (reason === undefined) return { actor, action, subject: deviceId, outcome: 'succeeded', details };
  return { actor, action, subject: deviceId, outcome: 'refused', details: { ...details, reason } };
}
