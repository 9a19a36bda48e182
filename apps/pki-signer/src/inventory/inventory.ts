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

// Long enough to look up what an expired certificate was; the audit log keeps it for ever.
const retentionAfterExpirySeconds = 90 * 86_400;

// Reading so many takes about 3 ms, in which nothing else is done.
const pageSize = 200;

const reference = z.strictObject({ fingerprint, notAfter: z.iso.datetime() });

/** Every certificate the signer issued, with indexes by device, by end date and by serial number. */
export class Inventory {
  /** By CA, the end of a certificate it issued. */
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
   * Finds a certificate by fingerprint, or by a serial number only one certificate has.
   *
   * @param id hexadecimal; with colons and in capitals too, as openssl prints it
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

  /** Certificates that end before the moment asked for, soonest first; or those of one device. */
  async list({ deviceId, expiresBefore, cursor, limit }: CertificateQuery): Promise<CertificatePage> {
    const page = { limit, ...(cursor === undefined ? {} : { cursor }) };
    const prefix = deviceId === undefined ? keys.byEnd : keys.byDevice(deviceId);
    const index = await this.store.list(prefix, page);
    const references = index.entries.map(({ value }) => reference.parse(value));
    const limitMs = expiresBefore === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresBefore);
    const isWanted = ({ notAfter }: { notAfter: string }) => Date.parse(notAfter) < limitMs;
    const records = await this.read(references.filter(isWanted));
    // Both indexes sort by end date: behind the first that is too late there is none left.
    const isComplete = index.cursor === undefined || !references.every(isWanted);
    return isComplete || index.cursor === undefined ? { records } : { records, cursor: index.cursor };
  }

  /** Every certificate of a device that is in date and not revoked. */
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

  /** Whether certificates a CA issued are still in date. Asked every few seconds, so what was found is remembered. */
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

  /** What a transaction compares so that no CA ever uses a serial number twice (RFC 5280 §4.1.2.2). */
  serialIsFree(issuerId: string, serialNumber: SerialNumber): Compare {
    return { key: keys.bySerial(issuerId, serialNumber), revision: 0 };
  }

  /** Changes that add a certificate. */
  additionOf(record: CertificateRecord): Operation[] {
    const { fingerprint, deviceId, notAfter, issuer, serialNumber } = record;
    const value = { fingerprint, notAfter };
    const ttlSeconds = this.lifetimeSeconds(record);
    return [
      { put: keys.record(fingerprint), value: record, ttlSeconds },
      { put: `${keys.byDevice(deviceId)}${notAfter}/${fingerprint}`, value, ttlSeconds },
      { put: `${keys.byEnd}${notAfter}/${fingerprint}`, value, ttlSeconds },
      { put: keys.bySerial(issuer, serialNumber), value, ttlSeconds },
      { put: keys.serialAlone(serialNumber), value, ttlSeconds },
    ];
  }

  /** The change that writes a certificate again, as a revocation does. */
  updateOf(record: CertificateRecord): Operation {
    return { put: keys.record(record.fingerprint), value: record, ttlSeconds: this.lifetimeSeconds(record) };
  }

  /** What a change of a stored certificate compares. */
  unchanged({ record, revision }: StoredCertificate): Compare {
    return { key: keys.record(record.fingerprint), revision };
  }

  /**
   * Seconds for which a certificate stays in the inventory from now on: its whole life once more, and some. How much of
   * it is left only the clock could tell, and while that is wrong a revocation would be kept too short.
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
  ofIssuer: (issuerId: string) => `certificate-of-issuer/${issuerId}/`,
  bySerial: (issuerId: string, serialNumber: SerialNumber) => `certificate-of-issuer/${issuerId}/${serialNumber}`,
  // 126 random bits: two CAs of ours never draw the same.
  serialAlone: (serialNumber: SerialNumber) => `certificate-by-serial/${serialNumber}`,
};
