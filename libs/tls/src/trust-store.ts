import { hash } from 'node:crypto';
import { BoundedMap } from '@sallyport/concurrency';
import { type AuthorityId, type Fingerprint, printable } from '@sallyport/protocol';
import {
  authorityIdOf,
  type Certificate,
  constraintVerdict,
  type Name,
  nameKey,
  verifySignedBy,
} from '@sallyport/x509';
import { namesakesAmong } from './namesakes.js';
import type { TrustAnchors } from './trust-anchors.js';

/** Certificates from the CA that issued a leaf up to a trusted one, both included. */
type IssuerChain = readonly [issuer: Certificate, ...above: Certificate[]];

/** The CAs that vouch for a leaf. */
export interface IssuerPath {
  /** From the CA that issued the leaf up to the first trusted one, both included. Never empty. */
  readonly certificates: IssuerChain;
  /**
   * The CAs the device may belong to, by key and name; first the one that issued the leaf. The last is the topmost
   * trusted CA, unless a CA below it may give names on its own because of its name constraints.
   */
  readonly authorities: readonly AuthorityId[];
  /** Subject of the last of the authorities, printable. */
  readonly authorityName: string;
  /** All known certificates of the CA that issued the leaf: the one sent, and those trusted here. */
  readonly issuerFingerprints: readonly Fingerprint[];
}

/** False when the key identifiers say that another key of that name signed (RFC 5280 §4.2.1.1). */
function mayHaveIssued(issuer: Certificate, { authorityKeyIdentifier }: Certificate): boolean {
  const { subjectKeyIdentifier } = issuer;
  if (authorityKeyIdentifier === undefined || subjectKeyIdentifier === undefined) return true;
  return authorityKeyIdentifier === subjectKeyIdentifier;
}

/** A renewed CA has the same key and name as the one it replaces, and both may be trusted. */
function longerLivedFirst(one: Certificate, other: Certificate): number {
  return other.notAfter.getTime() - one.notAfter.getTime();
}

/** A leaf and the CAs whose keys signed it. */
export interface KnownLeaf {
  readonly certificate: Certificate;
  readonly path: IssuerPath;
}

interface RememberedLeaf extends KnownLeaf {
  /** Hash of the certificates sent with it. Other ones may lead to another trusted CA. */
  readonly presented: string;
}

/** Leaves remembered, so that a device that comes back costs less. Each takes a few kilobytes. */
const mostKnownLeaves = 2000;
const mostKnownIssuers = 500;
/** Limit for the trusted CAs above a leaf; deeper than any real hierarchy. */
const mostAuthorities = 16;

/** Finds the CA whose key signed a leaf. The name of a CA is not enough: two CAs can have the same. */
export class TrustStore {
  private readonly anchorsBySubject = new Map<string, Certificate[]>();
  private readonly anchors = new Set<Fingerprint>();
  private readonly namesakes: ReadonlySet<Certificate>;
  private readonly ownIssuers: ReadonlySet<Fingerprint>;
  /** Those of them that are trusted here. */
  private readonly own: readonly Certificate[];
  private readonly known = new BoundedMap<string, RememberedLeaf>(mostKnownLeaves);
  private readonly issuers = new BoundedMap<string, Certificate>(mostKnownIssuers);
  /** For each trusted CA, the trusted CA that issued it, once looked up. */
  private readonly aboveAnchor = new Map<Certificate, Certificate | undefined>();

  constructor({ certificates, ownIssuers }: Pick<TrustAnchors, 'certificates' | 'ownIssuers'>) {
    this.ownIssuers = ownIssuers;
    this.namesakes = namesakesAmong(certificates);
    this.own = certificates.filter(({ fingerprint }) => ownIssuers.has(fingerprint));
    for (const certificate of certificates) {
      this.anchors.add(certificate.fingerprint);
      const key = nameKey(certificate.subject);
      const namesakes = this.anchorsBySubject.get(key);
      if (namesakes === undefined) this.anchorsBySubject.set(key, [certificate]);
      else namesakes.push(certificate);
    }
    for (const namesakes of this.anchorsBySubject.values()) namesakes.sort(longerLivedFirst);
  }

  /**
   * The path of CAs whose keys signed. Undefined when there is none to a trusted CA. Does not check dates and the rules
   * of path validation: OpenSSL has done that.
   *
   * @param presented  certificates the client sent after its leaf, at most a handful.
   */
  findPath(leaf: Certificate, presented: readonly Certificate[]): IssuerPath | undefined {
    const certificates = this.climb(leaf, new Set(presented.toSorted(longerLivedFirst)));
    if (certificates === undefined) return undefined;
    const path = this.pathOf(certificates, leaf);
    const sent = presentedKey(presented.map(({ der }) => der));
    this.known.set(leaf.fingerprint, { certificate: leaf, path, presented: sent });
    for (const issuer of certificates) this.issuers.set(issuer.fingerprint, issuer);
    return path;
  }

  /**
   * A leaf for which `findPath` found a path before, with the same certificates sent along. A signature stays valid for
   * ever, so it need not be parsed and checked again. Whether the leaf may pass now must be judged each time.
   */
  recall(der: Buffer, presented: readonly Buffer[]): KnownLeaf | undefined {
    const known = this.known.get(hash('sha256', der, 'hex'));
    return known?.presented === presentedKey(presented) ? known : undefined;
  }

  /** A CA certificate that was part of a path before, so it need not be parsed and checked again. */
  recallIssuer(der: Buffer): Certificate | undefined {
    return this.issuers.get(hash('sha256', der, 'hex'));
  }

  /** Uses each presented certificate at most once, so that cross-signed ones cannot make the search expensive. */
  private climb(certificate: Certificate, unused: Set<Certificate>): IssuerChain | undefined {
    const anchor = this.anchorAbove(certificate);
    if (anchor !== undefined) return [anchor];
    for (const candidate of unused) {
      if (!candidate.isCa || !mayHaveIssued(candidate, certificate) || !verifySignedBy(certificate, candidate))
        continue;
      unused.delete(candidate);
      const above = this.climb(candidate, unused);
      if (above !== undefined) return [candidate, ...above];
    }
    return undefined;
  }

  private anchorAbove(certificate: Certificate): Certificate | undefined {
    const anchors = this.anchorsBySubject.get(nameKey(certificate.issuer)) ?? [];
    return anchors.find((candidate) => mayHaveIssued(candidate, certificate) && verifySignedBy(certificate, candidate));
  }

  private pathOf(certificates: IssuerChain, leaf: Certificate): IssuerPath {
    const [issuer] = certificates;
    const vouching = this.vouching(certificates, leaf);
    const authorities = vouching.map(authorityIdOf);
    const trusted = this.anchorsBySubject.get(nameKey(issuer.subject)) ?? [];
    const twins = trusted.filter(({ spki }) => spki.equals(issuer.spki)).map(({ fingerprint }) => fingerprint);
    const name = printable((vouching.at(-1) ?? issuer).subject.text);
    return {
      certificates,
      authorities,
      authorityName: name === '' ? 'a CA without a name' : name,
      issuerFingerprints: [...new Set([issuer.fingerprint, ...twins])].slice(0, mostAuthorities),
    };
  }

  /**
   * The CAs that vouch for the leaf's name, from its issuer up. Includes trusted CAs above the first trusted one, so
   * that nothing changes for a device when its intermediate CA is trusted too.
   */
  private vouching(certificates: IssuerChain, leaf: Certificate): Certificate[] {
    const vouching: Certificate[] = [];
    const [name = ''] = leaf.subject.commonNames;
    let next: Certificate | undefined = certificates[0];
    while (next !== undefined && vouching.length < mostAuthorities && !isAmong(next, vouching)) {
      const constraint = constraintVerdict(next, name);
      if (constraint === 'forbidden') break;
      vouching.push(next);
      // The CAs above gave this CA no names of devices. So the names it vouches for are its own.
      if (constraint === 'silent') break;
      next = certificates[vouching.length] ?? this.trustedAbove(next);
    }
    return vouching;
  }

  private trustedAbove(anchor: Certificate): Certificate | undefined {
    if (!this.aboveAnchor.has(anchor)) this.aboveAnchor.set(anchor, this.anchorAbove(anchor));
    return this.aboveAnchor.get(anchor);
  }

  /** Whether there are trusted CAs that OpenSSL does not know. */
  get hasNamesakes(): boolean {
    return this.namesakes.size > 0;
  }

  /** Trusted CAs of this name that OpenSSL does not know, because several keys have the name. */
  namesakesCalled(name: Name): readonly Certificate[] {
    return (this.anchorsBySubject.get(nameKey(name)) ?? []).filter((anchor) => this.namesakes.has(anchor));
  }

  /** Whether the CA at the end of a path is still trusted. */
  trusts({ certificates }: IssuerPath): boolean {
    const top = certificates.at(-1);
    return top !== undefined && this.anchors.has(top.fingerprint);
  }

  /** Whether a CA of this site's own hierarchy is in the path, under any of its certificates. */
  isOwn({ certificates }: IssuerPath): boolean {
    return certificates.some((issuer) => this.ownIssuers.has(issuer.fingerprint) || isAmong(issuer, this.own));
  }
}

/** Whether a CA is in the list, under this or another certificate. */
function isAmong({ spki, subject }: Certificate, certificates: readonly Certificate[]): boolean {
  return certificates.some((other) => other.spki.equals(spki) && nameKey(other.subject) === nameKey(subject));
}

function presentedKey(presented: readonly Buffer[]): string {
  const [only] = presented;
  if (only === undefined) return '';
  return hash('sha256', presented.length === 1 ? only : Buffer.concat(presented), 'hex');
}
