import type { Clock, Log } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { buildCrl, type RevokedEntry } from '@sallyport/x509';
import { z } from 'zod';
import { type Authority, keyIdOf, signsCrls } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import { dirtyKey, type RevocationRecord, revocationPrefix, revocationRecord } from '../inventory/revocation.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import type { KeyStore } from '../signing-key/signing-key.js';

export interface CrlPublisherOptions {
  readonly store: Store;
  readonly hierarchy: Hierarchy;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly metrics: SignerMetrics;
  readonly log: Log;
  /** `pki.crl.validity`: how long a CRL may be relied on. */
  readonly validitySeconds: number;
  /** `pki.crl.interval`: how often a CRL is built although nothing was revoked. */
  readonly intervalSeconds: number;
}

/** A CRL as it is handed out. */
export interface PublishedCrl {
  readonly der: Buffer;
  readonly crlNumber: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

// RFC 5280 §5.2.3: the number only ever rises. Kept as text, since it may pass what a JSON number holds.
const storedNumber = z.string().regex(/^[0-9]+$/);
const pageSize = 1000;

/** Builds the full CRL of every CA that signs: on schedule, and soon after a revocation, but never inside one. */
export class CrlPublisher {
  private readonly published = new Map<string, PublishedCrl>();
  private building: Promise<void> = Promise.resolve();

  constructor(private readonly options: CrlPublisherOptions) {}

  /** The CRL of a CA by its key id; undefined when there is no such CA. */
  find(keyId: string): PublishedCrl | undefined {
    return this.published.get(keyId);
  }

  /** Builds the CRLs that are due. Calls while one is under way wait for it. */
  buildDue(): Promise<void> {
    const turn = this.building.then(() => this.buildEachDue());
    this.building = turn.catch(() => undefined);
    return turn;
  }

  private async buildEachDue(): Promise<void> {
    const { hierarchy, log } = this.options;
    for (const authority of hierarchy.all.filter(signsCrls)) {
      try {
        if (await this.isDue(authority)) await this.build(authority);
        this.measureAge(authority);
      } catch (error) {
        // The other CAs must not lose their CRLs over it; the next round tries again.
        log.error({ error, ca: authority.record.id }, 'CRL could not be built');
      }
    }
  }

  private async isDue({ certificate, record }: Authority): Promise<boolean> {
    const current = this.published.get(keyIdOf(certificate));
    if (current === undefined) return true;
    const ageMs = this.options.clock.now().getTime() - current.thisUpdate.getTime();
    if (ageMs >= this.options.intervalSeconds * 1000) return true;
    return (await this.options.store.get(dirtyKey(record.id))) !== undefined;
  }

  private async build(authority: Authority): Promise<void> {
    const { store, clock, keys, validitySeconds } = this.options;
    const { record, certificate } = authority;
    const dirty = await store.get(dirtyKey(record.id));
    const entries = await this.entriesOf(record.id);
    const thisUpdate = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
    const nextUpdate = new Date(thisUpdate.getTime() + validitySeconds * 1000);
    const crlNumber = await this.nextNumber(record.id);
    const { privateKey } = await keys.open(record.keyName ?? record.id);
    const der = buildCrl({ issuer: certificate, privateKey, entries, crlNumber, thisUpdate, nextUpdate });
    this.published.set(keyIdOf(certificate), { der, crlNumber, thisUpdate, nextUpdate });
    this.options.metrics.crlBytes.set({ ca: record.id }, der.length);
    this.options.metrics.crlEntries.set({ ca: record.id }, entries.length);
    // A revocation since `dirty` was read has written the key anew: it stays, and the next round builds again.
    if (dirty !== undefined)
      await store.transaction([{ key: dirty.key, revision: dirty.revision }], [{ delete: dirty.key }]);
  }

  private async entriesOf(issuerId: string): Promise<RevokedEntry[]> {
    const { store, clock, intervalSeconds } = this.options;
    // RFC 5280 §3.3: an entry stays until one CRL after its certificate's end has held it.
    const oldestEndMs = clock.now().getTime() - 2 * intervalSeconds * 1000;
    const entries: RevokedEntry[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list(revocationPrefix(issuerId), {
        limit: pageSize,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const revocations = page.entries.map(({ value }) => revocationRecord.parse(value));
      entries.push(...revocations.filter(({ notAfter }) => Date.parse(notAfter) >= oldestEndMs).map(crlEntry));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return entries;
  }

  private measureAge({ record, certificate }: Authority): void {
    const current = this.published.get(keyIdOf(certificate));
    if (current === undefined) return;
    const ageMs = this.options.clock.now().getTime() - current.thisUpdate.getTime();
    this.options.metrics.crlAgeSeconds.set({ ca: record.id }, ageMs / 1000);
  }

  /**
   * Above every number used before. The time of day carries it past numbers a restored backup has forgotten.
   */
  private async nextNumber(issuerId: string): Promise<bigint> {
    const { store, clock } = this.options;
    const key = `crl-number/${issuerId}`;
    for (;;) {
      const entry = await store.get(key);
      const last = entry === undefined ? 0n : BigInt(storedNumber.parse(entry.value));
      const byClock = BigInt(clock.now().getTime());
      const next = byClock > last ? byClock : last + 1n;
      const compare = { key, revision: entry?.revision ?? 0 };
      const { committed } = await store.transaction([compare], [{ put: key, value: next.toString() }]);
      if (committed) return next;
    }
  }
}

function crlEntry({ serialNumber, revokedAt, reason }: RevocationRecord): RevokedEntry {
  // RFC 5280 §5.3.1: an unspecified reason is left out.
  return { serialNumber, revokedAt: new Date(revokedAt), ...(reason === 'unspecified' ? {} : { reason }) };
}
