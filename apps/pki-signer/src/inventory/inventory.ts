import {
  type CertificateQuery,
  type DeviceId,
  type Fingerprint,
  fingerprint,
  Problem,
  type SerialNumber,
  serialNumber,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Compare, Operation, Store } from '@sallyport/store';
import { hasEnded } from '@sallyport/x509';
import { z } from 'zod';
import { type CertificateRecord, certificateRecord } from './certificate-record.js';

/** A stored certificate and the revision a change of it compares. */
export interface StoredCertificate {
  readonly record: CertificateRecord;
  readonly revision: number;
}

export interface CertificatePage {
  readonly records: readonly CertificateRecord[];
  readonly cursor?: string;
}

// Time to look up an expired certificate. The audit log keeps it for ever.
const retentionAfterExpirySeconds = 90 * 86_400;

// Reading one page takes up to 3 ms, and nothing else runs meanwhile.
const pageSize = 200;

const reference = z.strictObject({ fingerprint, notAfter: z.iso.datetime() });

/** Every certificate the signer issued, with indexes by device, by end date and by serial number. */
export class Inventory {
  /** For each CA, the end date of a certificate it issued. */
  private readonly knownEnds = new Map<string, string>();

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  async get(fingerprint: Fingerprint): Promise<StoredCertificate | undefined> {
    const entry = await this.store.get(keys.record(fingerprint));
    return entry && { record: certificateRecord.parse(entry.value), revision: entry.revision };
  }

  /**
   * As `get`. The newest certificate of a service is found however long ago it ended: the service may have been off
   * since, and must be able to renew it.
   */
  async lookUp(fingerprint: Fingerprint, deviceId: DeviceId): Promise<StoredCertificate | undefined> {
    const stored = await this.get(fingerprint);
    if (stored !== undefined) return stored;
    const kept = await this.store.get(keys.ofService(deviceId, fingerprint));
    return kept && { record: certificateRecord.parse(kept.value), revision: 0 };
  }

  /** Every certificate of a name that is still in the inventory, also those that have ended or are revoked. */
  async allOf(deviceId: DeviceId): Promise<CertificateRecord[]> {
    const references: { readonly fingerprint: Fingerprint }[] = [];
    for await (const { value } of this.store.listAll(keys.byDevice(deviceId))) references.push(reference.parse(value));
    return this.read(references);
  }

  /**
   * Finds a certificate by fingerprint or serial number.
   *
   * @param id hexadecimal; colons and capitals are fine, as openssl prints them
   * @throws Problem `not-found`
   */
  async find(id: string): Promise<StoredCertificate> {
    const hex = id.replaceAll(':', '').toLowerCase();
    const known = fingerprint.safeParse(hex).data ?? (await this.fingerprintBySerial(hex));
    const stored = known && (await this.get(known));
    if (stored !== undefined) return stored;
    throw new Problem(
      'not-found',
      'No certificate has this fingerprint or serial number. See "sallyport device show".',
    );
  }

  /** Certificates that end before a moment, the earliest first; or those of one device. */
  async list({ deviceId, expiresBefore, cursor, limit }: CertificateQuery): Promise<CertificatePage> {
    const page = { limit, ...(cursor === undefined ? {} : { cursor }) };
    const prefix = deviceId === undefined ? keys.byEnd : keys.byDevice(deviceId);
    const index = await this.store.list(prefix, page);
    const references = index.entries.map(({ value }) => reference.parse(value));
    const limitMs = expiresBefore === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresBefore);
    const isWanted = ({ notAfter }: { notAfter: string }) => Date.parse(notAfter) < limitMs;
    const records = await this.read(references.filter(isWanted));
    // Both indexes are sorted by end date. After the first that ends too late, all others do too.
    const isComplete = index.cursor === undefined || !references.every(isWanted);
    return isComplete || index.cursor === undefined ? { records } : { records, cursor: index.cursor };
  }

  /** Every certificate of a device that is neither expired nor revoked. */
  async live(deviceId: DeviceId): Promise<CertificateRecord[]> {
    const now = this.clock.now();
    const references: { readonly fingerprint: Fingerprint }[] = [];
    for await (const { value } of this.store.listAll(keys.byDevice(deviceId))) {
      const found = reference.parse(value);
      if (!hasEnded(found, now)) references.push(found);
    }
    const records = await this.read(references);
    return records.filter(({ revocation }) => revocation === undefined);
  }

  /** Every certificate that has not ended. Pages are read one after the other, so that other work runs in between. */
  async *unexpired(): AsyncGenerator<CertificateRecord> {
    const now = this.clock.now();
    const references: { readonly fingerprint: Fingerprint }[] = [];
    for await (const { value } of this.store.listAll(keys.byEnd, { pageSize })) {
      const found = reference.parse(value);
      if (hasEnded(found, now)) continue;
      references.push(found);
      if (references.length === pageSize) yield* await this.read(references.splice(0));
    }
    yield* await this.read(references);
  }

  /** Whether a certificate of this CA has not expired. It is asked every few seconds, so the answer is remembered. */
  async hasUnexpiredLeaves(issuerId: string): Promise<boolean> {
    const now = this.clock.now();
    const known = this.knownEnds.get(issuerId);
    if (known !== undefined && !hasEnded({ notAfter: known }, now)) return true;
    for await (const { value } of this.store.listAll(keys.ofIssuer(issuerId), { pageSize })) {
      const { notAfter } = reference.parse(value);
      if (hasEnded({ notAfter }, now)) continue;
      this.knownEnds.set(issuerId, notAfter);
      return true;
    }
    return false;
  }

  /** The condition that a CA uses no serial number twice (RFC 5280 §4.1.2.2), for a transaction. */
  serialIsFree(issuerId: string, serialNumber: SerialNumber): Compare {
    return { key: keys.bySerial(issuerId, serialNumber), revision: 0 };
  }

  /** The changes that add a certificate. */
  additionOf(record: CertificateRecord): Operation[] {
    const { fingerprint, deviceId, notAfter, issuer, serialNumber, renews, profile } = record;
    const isService = profile === 'service';
    const value = { fingerprint, notAfter };
    const ttlSeconds = this.lifetimeSeconds(record);
    return [
      { put: keys.record(fingerprint), value: record, ttlSeconds },
      { put: `${keys.byDevice(deviceId)}${notAfter}/${fingerprint}`, value, ttlSeconds },
      { put: `${keys.byEnd}${notAfter}/${fingerprint}`, value, ttlSeconds },
      { put: keys.bySerial(issuer, serialNumber), value, ttlSeconds },
      { put: keys.serialAlone(serialNumber), value, ttlSeconds },
      ...(isService ? [{ put: keys.ofService(deviceId, fingerprint), value: record }] : []),
      ...(isService && renews !== undefined ? [{ delete: keys.ofService(deviceId, renews) }] : []),
    ];
  }

  /** The changes that write a certificate again after its revocation. */
  revocationOf(record: CertificateRecord): Operation[] {
    const { fingerprint, deviceId, profile } = record;
    return [
      { put: keys.record(fingerprint), value: record, ttlSeconds: this.lifetimeSeconds(record) },
      ...(profile === 'service' ? [{ delete: keys.ofService(deviceId, fingerprint) }] : []),
    ];
  }

  /** The condition that a stored certificate was not changed, for a transaction. */
  unchanged({ record, revision }: StoredCertificate): Compare {
    return { key: keys.record(record.fingerprint), revision };
  }

  /**
   * Seconds for which a certificate stays in the inventory from now on: its whole validity and a reserve. The rest of
   * its validity would be enough, but a wrong clock would make that too short, and a revocation would be lost.
   */
  lifetimeSeconds({ notBefore, notAfter }: Pick<CertificateRecord, 'notBefore' | 'notAfter'>): number {
    return Math.ceil((Date.parse(notAfter) - Date.parse(notBefore)) / 1000) + retentionAfterExpirySeconds;
  }

  private async fingerprintBySerial(hex: string): Promise<Fingerprint | undefined> {
    const serial = serialNumber.safeParse(hex);
    const entry = serial.success ? await this.store.get(keys.serialAlone(serial.data)) : undefined;
    return entry && reference.parse(entry.value).fingerprint;
  }

  private async read(references: readonly { readonly fingerprint: string }[]): Promise<CertificateRecord[]> {
    const entries = await Promise.all(references.map(({ fingerprint }) => this.store.get(keys.record(fingerprint))));
    return entries.flatMap((entry) => (entry === undefined ? [] : [certificateRecord.parse(entry.value)]));
  }
}

const keys = {
  record: (fingerprint: string) => `certificate/${fingerprint}`,
  byDevice: (deviceId: DeviceId) => `certificate-of-device/${deviceId}/`,
  byEnd: 'certificate-by-end/',
  ofService: (deviceId: DeviceId, fingerprint: string) => `certificate-of-service/${deviceId}/${fingerprint}`,
  ofIssuer: (issuerId: string) => `certificate-of-issuer/${issuerId}/`,
  bySerial: (issuerId: string, serialNumber: SerialNumber) => `certificate-of-issuer/${issuerId}/${serialNumber}`,
  // 126 random bits, so two CAs of this site never have the same one.
  serialAlone: (serialNumber: SerialNumber) => `certificate-by-serial/${serialNumber}`,
};
