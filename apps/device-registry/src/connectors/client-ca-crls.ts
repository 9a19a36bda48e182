import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type CrlState, type CrlVerdict, checkCrl, crlVerdict } from '@sallyport/client-ca';
import {
  type AuthorityId,
  type ClientCa,
  type ConnectorName,
  type CrlDescription,
  crlDescription,
  Problem,
  type SerialNumber,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type Entry, type Operation, Store } from '@sallyport/store';
import type { CertificateRevocationList } from '@sallyport/x509';
import { z } from 'zod';
import { Connectors } from './connectors.js';

/** Where a list came from, and who brought it. */
export interface CrlOrder {
  readonly connector: ConnectorName;
  readonly clientCa: ClientCa;
  readonly source: CrlDescription['source'];
  readonly actor: string;
}

/** A certificate, and the CA that issued it, by key and name. */
export interface IssuedLeaf {
  readonly serialNumber: SerialNumber;
  readonly issuer: AuthorityId | undefined;
}

const storedCrl = z.strictObject({
  ...crlDescription.shape,
  /** SHA-256 over the list. */
  digest: z.string(),
  parts: z.int().min(0),
});
type StoredCrl = z.infer<typeof storedCrl>;

const serials = z.array(z.string());
const prefix = 'client-ca-crl/';
/** Largest list, in bytes. Reading it blocks other work for about 0.1 s. */
export const largestCrlBytes = 2 * 1024 * 1024;
/** A value of the store holds a MiB. */
const serialsInPart = 10_000;

/**
 * The revocation lists of Client CAs. A list belongs to a CA and not to a connector: what the CA has revoked counts
 * wherever it is trusted. Keys: `client-ca-crl/<CA>` what is known of the list in force,
 * `client-ca-crl-part/<CA>/<digest>/<number>` its serial numbers.
 */
@Injectable()
export class ClientCaCrls {
  /** By CA, and good while the list has this revision. */
  private readonly known = new Map<AuthorityId, { readonly revision: number; readonly revoked: ReadonlySet<string> }>();

  constructor(
    private readonly store: Store,
    private readonly connectors: Connectors,
    private readonly clock: Clock,
  ) {}

  /**
   * What the list of a CA says of a certificate. It speaks only of what the CA itself has issued: of the leaf of an
   * intermediate CA nothing is known. Costs one read of the store, or none when no list is used.
   */
  async verdict({ id, crl: { mode } }: ClientCa, { serialNumber, issuer }: IssuedLeaf): Promise<CrlVerdict> {
    if (mode === 'off') return 'good';
    if (issuer !== id) return crlVerdict(mode, 'missing', false);
    const entry = await this.store.get(`${prefix}${id}`);
    if (entry === undefined) return crlVerdict(mode, 'missing', false);
    const list = listOf(entry);
    const revoked = await this.revokedBy(id, list, entry.revision);
    return crlVerdict(mode, this.stateOf(list), revoked.has(serialNumber));
  }

  /** What is known of the list of a CA. */
  async describe(id: AuthorityId): Promise<CrlDescription | undefined> {
    const entry = await this.store.get(`${prefix}${id}`);
    if (entry === undefined) return undefined;
    const { digest: _, parts: __, ...description } = listOf(entry);
    return description;
  }

  /**
   * Puts a list into force at once. The same list again changes nothing.
   *
   * @throws Problem `too-large`, `certificate-rejected`, `conflict`: as `checkCrl` says
   */
  async take(crl: CertificateRevocationList, order: CrlOrder): Promise<void> {
    const { der } = crl;
    if (der.length > largestCrlBytes)
      throw new Problem('too-large', `The revocation list has ${der.length} bytes; the limit is ${largestCrlBytes}.`);
    const { clientCa } = order;
    const entry = await this.store.get(`${prefix}${clientCa.id}`);
    const before = entry === undefined ? undefined : listOf(entry);
    const digest = createHash('sha256').update(der).digest('hex');
    if (before?.digest === digest) return;
    checkCrl(crl, { clientCa, inForce: before, now: this.clock.now() });
    await this.commit({ crl, digest, before, revision: entry?.revision ?? 0 }, order);
  }

  private async commit(
    found: { crl: CertificateRevocationList; digest: string; before: StoredCrl | undefined; revision: number },
    { connector, clientCa, source, actor }: CrlOrder,
  ): Promise<void> {
    const { crl, digest, before, revision } = found;
    const parts = partsOf(crl);
    const list = this.storedFrom(crl, { source, digest, parts: parts.length });
    const details = { connector, source, revoked: list.revoked, number: list.number ?? 'none', digest };
    const version = await this.connectors.commit({
      compares: [{ key: `${prefix}${clientCa.id}`, revision }],
      operations: [
        { put: `${prefix}${clientCa.id}`, value: list },
        ...parts.map((part, index): Operation => ({ put: partKey(clientCa.id, digest, index), value: part })),
        ...(before === undefined ? [] : partKeys(clientCa.id, before).map((key): Operation => ({ delete: key }))),
      ],
      audit: [{ actor, action: 'client-ca-crl-updated', subject: clientCa.id, outcome: 'succeeded', details }],
    });
    if (version === undefined)
      throw new Problem('conflict', 'Another revocation list of this CA came at the same time. Try again.');
  }

  private storedFrom(
    { crlNumber, thisUpdate, nextUpdate, entries }: CertificateRevocationList,
    rest: Pick<StoredCrl, 'source' | 'digest' | 'parts'>,
  ): StoredCrl {
    return {
      ...(crlNumber === undefined ? {} : { number: crlNumber.toString() }),
      thisUpdate: thisUpdate.toISOString(),
      ...(nextUpdate === undefined ? {} : { nextUpdate: nextUpdate.toISOString() }),
      revoked: entries.length,
      recordedAt: this.clock.now().toISOString(),
      ...rest,
    };
  }

  private stateOf({ nextUpdate }: StoredCrl): CrlState {
    const isOver = nextUpdate !== undefined && Date.parse(nextUpdate) < this.clock.now().getTime();
    return isOver ? 'stale' : 'current';
  }

  private async revokedBy(id: AuthorityId, list: StoredCrl, revision: number): Promise<ReadonlySet<string>> {
    const known = this.known.get(id);
    if (known?.revision === revision) return known.revoked;
    const entries = await Promise.all(partKeys(id, list).map((key) => this.store.get(key)));
    // A part that is gone was replaced while this was read: the caller fails, and asks again.
    const revoked = new Set(entries.flatMap((entry) => serials.parse(entry?.value)));
    this.known.set(id, { revision, revoked });
    return revoked;
  }
}

/** @throws Problem `internal` */
function listOf({ value }: Entry): StoredCrl {
  const { data, error } = storedCrl.safeParse(value);
  if (data !== undefined) return data;
  throw new Problem('internal', 'What the store holds of a revocation list is not readable. Upload the list again.', {
    cause: error,
  });
}

function partsOf({ entries }: CertificateRevocationList): string[][] {
  const count = Math.ceil(entries.length / serialsInPart);
  const all = entries.map(({ serialNumber }) => serialNumber);
  return Array.from({ length: count }, (_, index) => all.slice(index * serialsInPart, (index + 1) * serialsInPart));
}

function partKeys(id: AuthorityId, { digest, parts }: StoredCrl): string[] {
  return Array.from({ length: parts }, (_, index) => partKey(id, digest, index));
}

function partKey(id: AuthorityId, digest: string, index: number): string {
  return `client-ca-crl-part/${id}/${digest}/${index}`;
}
