import { hash } from 'node:crypto';
import type { AuditJournal } from '@sallyport/audit';
import { SerialQueue } from '@sallyport/concurrency';
import { type Clock, FaultLog, type Log } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { CrlBuilder, type RevokedEntry } from '@sallyport/x509';
import { z } from 'zod';
import { type Authority, keyIdOf, signsCrls } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import {
  latestRevocationKey,
  type RevocationRecord,
  revocationPrefix,
  revocationRecord,
} from '../inventory/revocation.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import type { KeyStore } from '../signing-key/signing-key.js';
import type { CrlFile } from './crl-file.js';

export interface CrlPublisherOptions {
  readonly store: Store;
  readonly hierarchy: Hierarchy;
  readonly keys: KeyStore;
  readonly clock: Clock;
  /** Knows the numbers of CRLs when the store has forgotten them. */
  readonly journal: AuditJournal;
  readonly metrics: SignerMetrics;
  readonly log: Log;
  /** `pki.crl.validity`: how long a CRL may be relied on. */
  readonly validitySeconds: number;
  /** `pki.crl.interval`: how often a CRL is built when nothing was revoked. */
  readonly intervalSeconds: number;
  /** Gets all CRLs after each round; absent when nobody needs them in a file. */
  readonly file?: Pick<CrlFile, 'write'>;
}

/** A CRL as it is handed out. */
export interface PublishedCrl {
  readonly der: Buffer;
  /** SHA-256 of the DER, base64url. Computed once, because a large list takes milliseconds. */
  readonly digest: string;
  readonly crlNumber: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** A CRL and the revocations it was built from. */
interface BuiltCrl extends PublishedCrl {
  readonly revocations: string;
}

/**
 * A key that signs CRLs. CA certificates with the same key share one CRL (RFC 5280 §5), as after a renewal of the CA.
 */
interface CrlIssuer {
  readonly keyId: string;
  /** The newest CA of this key. */
  readonly signer: Authority;
  /** Ids of all CAs of this key. */
  readonly issuerIds: readonly string[];
}

// RFC 5280 §5.2.3: the number only rises. It is stored as text, because it may become too large for a JSON number.
const storedNumber = z.string().regex(/^[0-9]+$/);
// Reading and encoding one page takes about 3 ms, and nothing else runs meanwhile.
const pageSize = 250;

/** Builds the full CRL of every CA that signs: on schedule and soon after a revocation, but never inside one. */
export class CrlPublisher {
  private readonly published = new Map<string, BuiltCrl>();
  private readonly faults = new Map<string, FaultLog>();
  private readonly building = new SerialQueue();
  private isAboutToBuild = false;

  constructor(private readonly options: CrlPublisherOptions) {}

  /** The CRL of a CA by its key id; undefined when there is no such CA. */
  find(keyId: string): PublishedCrl | undefined {
    return this.published.get(keyId);
  }

  /**
   * Builds the CRLs that are due now, when a program waits for them in a file. Other relying parties fetch them much
   * later. Many revocations at once wait for one round.
   */
  buildSoon(): void {
    if (this.options.file === undefined || this.isAboutToBuild) return;
    this.isAboutToBuild = true;
    void this.buildDue();
  }

  /** Builds the CRLs that are due. Calls run one after the other. */
  buildDue(): Promise<void> {
    return this.building.run(async () => {
      this.isAboutToBuild = false;
      await this.buildEachDue();
      await this.options.file?.write(this.published.values());
    });
  }

  private async buildEachDue(): Promise<void> {
    for (const issuer of this.crlIssuers()) {
      const { id: ca } = issuer.signer.record;
      try {
        // Read before the list is built: a revocation during that time makes the list due again.
        const revocations = await this.revocationsOf(issuer);
        if (this.isDue(issuer, revocations)) await this.build(issuer, revocations);
        this.measureAge(issuer);
      } catch (error) {
        // The other CAs still need their CRLs. The next round tries this one again.
        this.faultsOf(ca).note(error);
      }
    }
  }

  /** At most one line a minute, because on a full disk every try fails. */
  private faultsOf(ca: string): FaultLog {
    const { log, clock } = this.options;
    const known =
      this.faults.get(ca) ?? new FaultLog(log, clock, 'CRL could not be built, will be tried again', { ca });
    this.faults.set(ca, known);
    return known;
  }

  private crlIssuers(): CrlIssuer[] {
    const { all } = this.options.hierarchy;
    const oldestFirst = all.filter(signsCrls).toSorted((a, b) => a.record.generation - b.record.generation);
    const signerByKeyId = new Map(oldestFirst.map((authority) => [keyIdOf(authority.certificate), authority]));
    return [...signerByKeyId].map(([keyId, signer]) => {
      const issuers = all.filter(({ certificate }) => keyIdOf(certificate) === keyId);
      return { keyId, signer, issuerIds: issuers.map(({ record }) => record.id) };
    });
  }

  /** Changes with every revocation, in this process or in another replica. */
  private async revocationsOf({ issuerIds }: CrlIssuer): Promise<string> {
    const latest = await Promise.all(issuerIds.map((id) => this.options.store.get(latestRevocationKey(id))));
    return latest.map((entry) => entry?.revision ?? 0).join();
  }

  private isDue({ keyId }: CrlIssuer, revocations: string): boolean {
    const { clock, intervalSeconds, validitySeconds } = this.options;
    const current = this.published.get(keyId);
    if (current === undefined || current.revocations !== revocations) return true;
    const ageMs = clock.now().getTime() - current.thisUpdate.getTime();
    // Below zero: the clock was set back. Relying parties refuse a list from the future, so build a new one.
    return ageMs < 0 || ageMs >= Math.min(intervalSeconds, validitySeconds / 2) * 1000;
  }

  private async build({ keyId, signer, issuerIds }: CrlIssuer, revocations: string): Promise<void> {
    const { clock, keys, metrics, validitySeconds } = this.options;
    const { record, certificate } = signer;
    const crl = new CrlBuilder();
    for (const issuerId of issuerIds) await this.addRevoked(crl, issuerId);
    const thisUpdate = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
    const nextUpdate = new Date(thisUpdate.getTime() + validitySeconds * 1000);
    const crlNumber = await this.nextNumber(keyId);
    const { privateKey } = await keys.open(record.keyName ?? record.id);
    const der = crl.sign({ issuer: certificate, privateKey, crlNumber, thisUpdate, nextUpdate });
    const digest = hash('sha256', der, 'base64url');
    this.published.set(keyId, { der, digest, crlNumber, thisUpdate, nextUpdate, revocations });
    metrics.crlBytes.set({ ca: record.id }, der.length);
    metrics.crlEntries.set({ ca: record.id }, crl.entryCount);
  }

  private async addRevoked(crl: CrlBuilder, issuerId: string): Promise<void> {
    const { store, clock, intervalSeconds } = this.options;
    // RFC 5280 §3.3: an entry must be on one CRL that is issued after its certificate has expired.
    const oldestEndMs = clock.now().getTime() - 2 * intervalSeconds * 1000;
    for await (const entries of store.listPages(revocationPrefix(issuerId), { pageSize })) {
      const revocations = entries.map(({ value }) => revocationRecord.parse(value));
      crl.add(revocations.filter(({ notAfter }) => Date.parse(notAfter) >= oldestEndMs).map(crlEntry));
    }
  }

  private measureAge({ keyId, signer: { record } }: CrlIssuer): void {
    const current = this.published.get(keyId);
    if (current === undefined) return;
    const ageMs = this.options.clock.now().getTime() - current.thisUpdate.getTime();
    this.options.metrics.crlAgeSeconds.set({ ca: record.id }, ageMs / 1000);
  }

  /**
   * Larger than every number used before. It is at least the time of day in milliseconds, so that it is larger even
   * when a restored backup does not know the last numbers.
   */
  private async nextNumber(keyId: string): Promise<bigint> {
    const { store, clock, journal } = this.options;
    const key = `crl-number/${keyId}`;
    for (;;) {
      const entry = await store.get(key);
      const last = entry === undefined ? 0n : BigInt(storedNumber.parse(entry.value));
      const byClock = BigInt(clock.now().getTime());
      const next = byClock > last ? byClock : last + 1n;
      const compare = { key, revision: entry?.revision ?? 0 };
      const operation = { put: key, value: next.toString() };
      const { committed } = await store.transaction([compare], [operation]);
      if (!committed) continue;
      await journal.note([operation], []);
      return next;
    }
  }
}

function crlEntry({ serialNumber, revokedAt, reason }: RevocationRecord): RevokedEntry {
  return { serialNumber, revokedAt: new Date(revokedAt), reason };
}
