import { hash } from 'node:crypto';
import { type AuthorityPurpose, type Fingerprint, Problem, trustBundleChanged } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Operation, Outbox, Store } from '@sallyport/store';
import { type Certificate, hasBegun, hasEnded, verifySignedBy } from '@sallyport/x509';
import { z } from 'zod';
import type { SignerAuditEntry, SignerAuditLog } from '../audit/signer-audit.js';
import { type Authority, type AuthorityRecord, authorityFrom, isSameAuthority, isTrusted } from './authority.js';

/** The CAs relying parties may trust, by role. */
export interface TrustedAuthorities {
  readonly version: number;
  readonly roots: readonly Certificate[];
  readonly issuing: readonly Certificate[];
  readonly retiring: readonly Certificate[];
  /** SHA-256 over the set: changes when the set does. */
  readonly digest: string;
}

/** A CA whose key is in the key store. */
export type SigningAuthority = Authority & { readonly keyName: string };

/** A certificate of a root that another root has signed. */
interface ShownCrossCertificate {
  readonly subject: Authority;
  readonly issuer: Authority;
  readonly certificate: Certificate;
}

/** CAs in their new state, to be stored all or none. */
export interface HierarchyChange {
  /** `hierarchy.revision` from before the decision. */
  readonly basedOn: number;
  readonly records: readonly AuthorityRecord[];
  readonly entries: readonly SignerAuditEntry[];
  /** Other changes for the same transaction. */
  readonly operations?: readonly Operation[];
}

const authorityPrefix = 'authority/';
const versionKey = 'trust-bundle';
const storedVersion = z.strictObject({ version: z.number().int().positive() });
// Rotations and imports over decades; more than this many is a fault.
const mostAuthorities = 1000;

/** The CAs of this site as stored, held in memory. */
export class Hierarchy {
  private authorities: readonly Authority[] = [];
  private version = { number: 0, revision: 0 };
  private readonly listeners = new Set<() => void>();
  private readonly rootIds = new Map<Fingerprint, string>();

  constructor(
    private readonly store: Store,
    private readonly audit: SignerAuditLog,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /**
   * Reads the hierarchy again, because another replica may have changed it.
   *
   * @throws Problem `site-incomplete`: the store has lost it; what was read before stays
   */
  async load(): Promise<void> {
    const version = await this.store.get(versionKey);
    if (version === undefined && this.isFounded)
      throw new Problem(
        'site-incomplete',
        'The store has lost the CAs of this site: it was emptied or exchanged. Restore it from its backup.',
      );
    const { entries } = await this.store.list(authorityPrefix, { limit: mostAuthorities });
    this.authorities = entries.map(({ value, revision }) => authorityFrom(value, revision));
    const before = this.version;
    this.version =
      version === undefined
        ? { number: 0, revision: 0 }
        : { number: storedVersion.parse(version.value).version, revision: version.revision };
    if (before.number === this.version.number) return;
    this.rootIds.clear();
    for (const listener of this.listeners) listener();
  }

  /**
   * Calls back after every change of the trust bundle that this process sees.
   *
   * @returns ends the calls
   */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The revision that was read last. A change names the revision it was decided on. */
  get revision(): number {
    return this.version.revision;
  }

  /** Whether the site has a hierarchy: false until the first start has finished. */
  get isFounded(): boolean {
    return this.version.number > 0;
  }

  get all(): readonly Authority[] {
    return this.authorities;
  }

  /**
   * The CA that signs for a purpose now.
   *
   * @throws Problem `signing-key-unavailable`: there is none
   */
  signing(purpose: AuthorityPurpose): SigningAuthority {
    const candidates = this.authorities.filter(({ record }) => record.purpose === purpose && record.state === 'active');
    for (const authority of candidates.sort(newestFirst)) {
      const { keyName } = authority.record;
      if (keyName !== undefined) return { ...authority, keyName };
    }
    throw new Problem('signing-key-unavailable', `There is no active ${purpose} CA. Look at "sallyport ca show".`);
  }

  /** @throws Problem `not-found` */
  byId(id: string): Authority {
    const authority = this.authorities.find(({ record }) => record.id === id);
    if (authority !== undefined) return authority;
    throw new Problem('not-found', `There is no CA "${id}". List them with "sallyport ca show".`);
  }

  /** The root at the end of a CA's chain. For a root: itself. */
  rootOf({ certificate, intermediates, record }: Authority): Authority {
    const top = intermediates.at(-1) ?? certificate;
    const root = this.rootAbove(top);
    if (root === undefined)
      throw new Problem('signing-key-unavailable', `The root of CA "${record.id}" is missing from the hierarchy.`);
    this.rootIds.set(top.fingerprint, root.record.id);
    return root;
  }

  /**
   * What a server shows between its leaf and its root: the CA that issued the leaf, those above it, and then, for clients
   * that know only an earlier root, the certificates that lead there. Who knows the present root does not need these.
   */
  chainOf(authority: Authority): Certificate[] {
    const { certificate, intermediates } = authority;
    return [certificate, ...intermediates, ...this.wayFromEarlierRoots(this.rootOf(authority))];
  }

  /** From a root down in time: certified by the root before it, that one by the root before, as long as they are valid. */
  private wayFromEarlierRoots(root: Authority): Certificate[] {
    const cross = this.crossCertificates
      .filter(({ issuer, certificate }) => isSameAuthority(certificate, root.certificate) && isBefore(issuer, root))
      .sort((one, other) => other.issuer.record.generation - one.issuer.record.generation)[0];
    return cross === undefined ? [] : [cross.certificate, ...this.wayFromEarlierRoots(cross.issuer)];
  }

  /**
   * What roots say of each other, as long as both are believed. An earlier root may have retired, and the root after it
   * too: a service or device that was off for long may know no newer one.
   */
  get crossCertificates(): readonly ShownCrossCertificate[] {
    const now = this.clock.now();
    return this.authorities
      .filter(({ record }) => record.withdrawn === undefined)
      .flatMap((subject) => subject.crossCertificates.map((cross) => ({ ...cross, subject })))
      .map(({ subject, issuer, certificate }) => ({ subject, issuer: this.byId(issuer), certificate }))
      .filter(
        ({ subject, issuer }) =>
          issuer.record.withdrawn === undefined && (isTrusted(subject) || isBefore(issuer, subject)),
      )
      .filter(({ certificate }) => !hasEnded(certificate, now));
  }

  /** The number of the next CA of a purpose. */
  nextGeneration(purpose: AuthorityPurpose): number {
    const generations = this.authorities.filter(({ record }) => record.purpose === purpose).map(generationOf);
    return Math.max(0, ...generations) + 1;
  }

  /**
   * Why a CA cannot issue: it or its root has expired, or is not valid yet. Undefined while both are valid.
   *
   * @returns what happened and what to do, for people
   */
  endFault(authority: Authority, now: Date): string | undefined {
    const root = this.rootOf(authority);
    if (hasEnded(root.certificate, now))
      return `The root "${root.record.id}" ended ${root.certificate.notAfter.toISOString()}, so nothing is issued under it. ${this.remedyForEndedRoot(root)} CRLs and CA certificates are still served.`;
    const { record, certificate } = authority;
    if (!hasEnded(certificate, now)) return startFault([root, authority], now);
    const remedy =
      root.record.keyName === undefined
        ? `Get the next ${record.purpose} CA signed by its root and import it: sallyport ca import --purpose ${record.purpose} FILE.`
        : 'The signer replaces it by itself within seconds.';
    return `The CA "${record.id}" ended ${certificate.notAfter.toISOString()}. ${remedy}`;
  }

  private remedyForEndedRoot({ record }: Authority): string {
    const anew = 'Make its certificate anew with the same key, and import it: sallyport ca import --purpose root FILE.';
    return record.keyName === undefined ? anew : 'Make the next root: sallyport ca rotate --purpose root.';
  }

  /** What a client trusts on first contact: the root above the certificate of the signer's own entrance. */
  get rootFingerprint(): Fingerprint {
    return this.rootOf(this.signing('service')).certificate.fingerprint;
  }

  get trustBundle(): TrustedAuthorities {
    const trusted = this.authorities.filter(isTrusted);
    const select = (isSelected: (record: AuthorityRecord) => boolean) =>
      trusted.filter(({ record }) => isSelected(record)).map(({ certificate }) => certificate);
    const roots = select(({ purpose }) => purpose === 'root');
    const issuing = select(({ purpose, state }) => purpose !== 'root' && state !== 'retiring');
    const retiring = select(({ purpose, state }) => purpose !== 'root' && state === 'retiring');
    const digest = hash('sha256', JSON.stringify([roots, issuing, retiring].map(fingerprintsOf)));
    return { version: this.version.number, roots, issuing, retiring, digest };
  }

  /**
   * Stores CAs, writes the audit log, raises the version of the trust bundle and announces it, in one transaction.
   *
   * @returns false when the hierarchy was changed meanwhile, by this process or another; it has been read again
   */
  async apply({ basedOn, records, entries, operations = [] }: HierarchyChange): Promise<boolean> {
    const version = this.version.number + 1;
    const isApplied = await this.audit.commit({
      // Every change writes the version, so this one condition covers all CAs.
      compares: [{ key: versionKey, revision: basedOn }],
      operations: [
        ...records.map((record) => ({ put: keyOf(record.id), value: record })),
        { put: versionKey, value: { version } },
        this.outbox.record(trustBundleChanged.topic, { version }),
        ...operations,
      ],
      entries,
    });
    await this.load();
    return isApplied;
  }

  /** The condition that this CA still signs, for a transaction. */
  stateOf({ record, revision }: Authority): { readonly key: string; readonly revision: number } {
    return { key: keyOf(record.id), revision };
  }

  /**
   * There may be several, as when a root was renewed with its key. Then it is the newest one in the trust bundle,
   * because relying parties get that one. The id is remembered: each search costs a P-384 verification, about a
   * millisecond.
   */
  private rootAbove(top: Certificate): Authority | undefined {
    const roots = this.authorities.filter(({ record }) => record.purpose === 'root');
    const known = this.rootIds.get(top.fingerprint);
    if (known !== undefined) return roots.find(({ record }) => record.id === known);
    const candidates = [...roots.filter(isTrusted).sort(newestFirst), ...roots.filter((root) => !isTrusted(root))];
    return candidates.find(({ certificate }) => verifySignedBy(top, certificate));
  }
}

/** By the clock of this machine, which is behind, or was ahead when the CA was made. */
function startFault(authorities: readonly Authority[], now: Date): string | undefined {
  const early = authorities.find(({ certificate }) => !hasBegun(certificate, now));
  if (early === undefined) return undefined;
  const { record, certificate } = early;
  return `The CA "${record.id}" is not valid before ${certificate.notBefore.toISOString()}, and the clock of this machine says ${now.toISOString()}. Set the clock; the signer goes on by itself.`;
}

function keyOf(id: string): string {
  return `${authorityPrefix}${id}`;
}

function generationOf({ record }: Authority): number {
  return record.generation;
}

function isBefore(one: Authority, other: Authority): boolean {
  return one.record.generation < other.record.generation;
}

function newestFirst(a: Authority, b: Authority): number {
  return b.record.generation - a.record.generation;
}

function fingerprintsOf(certificates: readonly Certificate[]): string[] {
  return certificates.map(({ fingerprint }) => fingerprint);
}
