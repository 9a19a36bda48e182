import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type { RevokedCertificate } from '@sallyport/protocol';
import { withRevoked } from '../devices/device-record.js';
import { type Decision, Devices, type StoredDevice } from '../devices/devices.js';

/** Stores single certificates that the signer revoked. An event may come twice, or before the event of the issuance. */
@Injectable()
export class RevokedCertificates {
  constructor(private readonly devices: Devices) {}

  /** @throws Problem `unavailable`, `storage-full`: not written; the event must come again */
  async take(revoked: RevokedCertificate): Promise<void> {
    await this.devices.change(revoked.deviceId, (device) => this.decide(revoked, device));
  }

  private async decide(revoked: RevokedCertificate, before: StoredDevice | undefined): Promise<Decision<void>> {
    const { fingerprint, serialNumber, issuerFingerprint, revokedAt, reason } = revoked;
    if (await this.devices.isDenied({ fingerprint, serialNumber, issuers: [issuerFingerprint] }))
      return { result: undefined };
    const record = before?.record;
    const issuer = record?.certificates.find((held) => held.fingerprint === fingerprint)?.issuer;
    const change = { before, denied: [{ ...revoked, issuer }], audit: [entryOf(revoked)] };
    if (record === undefined) return { result: undefined, change };
    const after = withRevoked(record, { revokedAt, reason }, (certificate) => certificate.fingerprint === fingerprint);
    // Only an active device can have sessions to end.
    const announced = record.state === 'active' ? [fingerprint] : undefined;
    return { result: undefined, change: { ...change, after, announced } };
  }
}

function entryOf({ deviceId, fingerprint, serialNumber, issuerFingerprint, reason }: RevokedCertificate): AuditEntry {
  const details = { fingerprint, serialNumber, issuerFingerprint, reason };
  return { actor: 'pki-signer', action: 'certificate-revoked', subject: deviceId, outcome: 'succeeded', details };
}
