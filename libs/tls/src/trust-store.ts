import { hash } from 'node:crypto';
import type { Fingerprint } from '@sallyport/protocol';
import { type Certificate, verifySignedBy } from '@sallyport/x509';
import { nameKey } from './name-key.js';
import { Recent } from './recent.js';
import type { TrustAnchors } from './trust-anchors.js';

/** From the CA that issued the leaf up to a trusted one, both included. Never empty. */
export type IssuerPath = readonly [issuer: Certificate, ...above: Certificate[]];

/** False when key identifiers say that another key of that name signed; RFC 5280 §4.2.1.1 wants them compared. */
function mayHaveIssued(issuer: Certificate, { authorityKeyIdentifier }: Certificate): boolean {
  const { subjectKeyIdentifier } = issuer;
  if (authorityKeyIdentifier === undefined || subjectKeyIdentifier === undefined) return true;
  return authorityKeyIdentifier === subjectKeyIdentifier;
}

/** A renewed CA stands beside the one it replaces, with the same key and name. */
function longerLivedFirst(one: Certificate, other: Certificate): number {
  return other.notAfter.getTime() - one.notAfter.getTime();
}

/** A leaf and the CAs whose keys signed it. */
export interface KnownLeaf {
  readonly certificate: Certificate;
  readonly path: IssuerPath;
}

/** Devices that come back are recognised, as far as there are no more than this; each takes a few kilobytes. */
const mostKnownLeaves = 2000;

/** Finds out which CA's key vouches for a leaf, which is what tells two CAs with one name apart. */
export class TrustStore {
  readonly #anchorsBySubject = new Map<string, Certificate[]>();
  readonly #anchors = new Set<Fingerprint>();
  readonly #ownIssuers: ReadonlySet<Fingerprint>;
  readonly #known = new Recent<string, KnownLeaf>(mostKnownLeaves);

  constructor({ certificates, ownIssuers }: Pick<TrustAnchors, 'certificates' | 'ownIssuers'>) {
    this.#ownIssuers = ownIssuers;
    for (const certificate of certificates) {
      this.#anchors.add(certificate.fingerprint);
      const key = nameKey(certificate.subject);
      const namesakes = this.#anchorsBySubject.get(key);
      if (namesakes === undefined) this.#anchorsBySubject.set(key, [certificate]);
      else namesakes.push(certificate);
    }
    for (const namesakes of this.#anchorsBySubject.values()) namesakes.sort(longerLivedFirst);
  }

  /**
   * The path whose keys really signed, whatever the names say; undefined when none leads to a trusted CA. Dates and
   * the rules of path validation are not looked at: OpenSSL has judged them.
   *
   * @param presented  certificates the client sent after its leaf, at most a handful.
   */
  findPath(leaf: Certificate, presented: readonly Certificate[]): IssuerPath | undefined {
    const path = this.#climb(leaf, new Set(presented.toSorted(longerLivedFirst)));
    if (path !== undefined) this.#known.set(leaf.fingerprint, { certificate: leaf, path });
    return path;
  }

  /**
   * A leaf `findPath` found a path for before. That a key signed it stays true for ever, so neither parsing nor checking
   * the signature again would tell anything new; whether it may pass now has to be judged each time.
   */
  recall(der: Buffer): KnownLeaf | undefined {
    return this.#known.get(hash('sha256', der, 'hex'));
  }

  /** Each presented certificate is climbed at most once, so no arrangement of cross-signed ones costs more. */
  #climb(certificate: Certificate, unused: Set<Certificate>): IssuerPath | undefined {
    const anchors = this.#anchorsBySubject.get(nameKey(certificate.issuer)) ?? [];
    const anchor = anchors.find(
      (candidate) => mayHaveIssued(candidate, certificate) && verifySignedBy(certificate, candidate),
    );
    if (anchor !== undefined) return [anchor];
    for (const candidate of unused) {
      if (!candidate.isCa || !mayHaveIssued(candidate, certificate) || !verifySignedBy(certificate, candidate))
        continue;
      unused.delete(candidate);
      const above = this.#climb(candidate, unused);
      if (above !== undefined) return [candidate, ...above];
    }
    return undefined;
  }

  /** Whether the CA a path ends at is still trusted. */
  trusts(path: IssuerPath): boolean {
    const top = path.at(-1);
    return top !== undefined && this.#anchors.has(top.fingerprint);
  }

  /** Whether this site's own hierarchy issued what stands below the path. */
  isOwn(path: IssuerPath): boolean {
    return path.some(({ fingerprint }) => this.#ownIssuers.has(fingerprint));
  }
}
