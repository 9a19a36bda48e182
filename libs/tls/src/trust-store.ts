import { hash } from 'node:crypto';
import { BoundedMap } from '@sallyport/concurrency';
import { type AuthorityId, type Fingerprint, printable } from '@sallyport/protocol';
import { authorityIdOf, type Certificate, constraintVerdict, nameKey, verifySignedBy } from '@sallyport/x509';
import type { TrustAnchors } from './trust-anchors.js';

/** Certificates from the CA that issued a leaf up to a trusted one, both included. */
type IssuerChain = readonly [issuer: Certificate, ...above: Certificate[]];

/** The CAs that vouch for a leaf. */
export interface IssuerPath {
  /** From the CA that issued the leaf up to the first trusted one, both included. Never empty. */
  readonly certificates: IssuerChain;
  /**
   * The CAs that may have been given the name, by key and name, the one that issued the leaf first. The last is the
   * topmost trusted CA above the leaf, unless a CA on the way stands for itself because of its name constraints.
   */
  readonly authorities: readonly AuthorityId[];
  /** Subject of the last of the authorities, printable. */
  readonly authorityName: string;
  /** The trusted certificates of the CA that issued the leaf, which may have been issued again, and the one sent. */
  readonly issuerFingerprints: readonly Fingerprint[];
}

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

interface RememberedLeaf extends KnownLeaf {
  /** What was sent with it: another chain may lead to another trusted CA. */
  readonly presented: string;
}

/** Devices that come back are recognised, as far as there are no more than this; each takes a few kilobytes. */
const mostKnownLeaves = 2000;
const mostKnownIssuers = 500;
/** Trusted CAs above the first one that are looked at; a hierarchy of this depth is longer than any chain. */
const mostAuthorities = 16;

/** Finds out which CA's key vouches for a leaf, which is what tells two CAs with one name apart. */
export class TrustStore {
  readonly #anchorsBySubject = new Map<string, Certificate[]>();
  readonly #anchors = new Set<Fingerprint>();
  readonly #ownIssuers: ReadonlySet<Fingerprint>;
  /** Those of them that are trusted here. */
  readonly #own: readonly Certificate[];
  readonly #known = new BoundedMap<string, RememberedLeaf>(mostKnownLeaves);
  readonly #issuers = new BoundedMap<string, Certificate>(mostKnownIssuers);
  /** The trusted CA that issued another one, once it has been looked for. */
  readonly #aboveAnchor = new Map<Certificate, Certificate | undefined>();

  constructor({ certificates, ownIssuers }: Pick<TrustAnchors, 'certificates' | 'ownIssuers'>) {
    this.#ownIssuers = ownIssuers;
    this.#own = certificates.filter(({ fingerprint }) => ownIssuers.has(fingerprint));
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
    const certificates = this.#climb(leaf, new Set(presented.toSorted(longerLivedFirst)));
    if (certificates === undefined) return undefined;
    const path = this.#pathOf(certificates, leaf);
    const sent = presentedKey(presented.map(({ der }) => der));
    this.#known.set(leaf.fingerprint, { certificate: leaf, path, presented: sent });
    for (const issuer of certificates) this.#issuers.set(issuer.fingerprint, issuer);
    return path;
  }

  /**
   * A leaf `findPath` found a path for before, with the same certificates behind it. That a key signed it stays true for
   * ever, so neither parsing nor checking the signature again would tell anything new; whether it may pass now has to be
   * judged each time.
   */
  recall(der: Buffer, presented: readonly Buffer[]): KnownLeaf | undefined {
    const known = this.#known.get(hash('sha256', der, 'hex'));
    return known?.presented === presentedKey(presented) ? known : undefined;
  }

  /** A CA certificate that was part of a path before; so neither it nor its key has to be looked at again. */
  recallIssuer(der: Buffer): Certificate | undefined {
    return this.#issuers.get(hash('sha256', der, 'hex'));
  }

  /** Each presented certificate is climbed at most once, so no arrangement of cross-signed ones costs more. */
  #climb(certificate: Certificate, unused: Set<Certificate>): IssuerChain | undefined {
    const anchor = this.#anchorAbove(certificate);
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

  #anchorAbove(certificate: Certificate): Certificate | undefined {
    const anchors = this.#anchorsBySubject.get(nameKey(certificate.issuer)) ?? [];
    return anchors.find((candidate) => mayHaveIssued(candidate, certificate) && verifySignedBy(certificate, candidate));
  }

  #pathOf(certificates: IssuerChain, leaf: Certificate): IssuerPath {
    const [issuer] = certificates;
    const vouching = this.#vouching(certificates, leaf);
    const authorities = vouching.map(authorityIdOf);
    const trusted = this.#anchorsBySubject.get(nameKey(issuer.subject)) ?? [];
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
   * The certificates of the CAs that vouch for the leaf's name, from its issuer up. Trusted CAs above the first one belong
   * to them, so that it makes no difference to a device when its intermediate CA becomes trusted too.
   */
  #vouching(certificates: IssuerChain, leaf: Certificate): Certificate[] {
    const vouching: Certificate[] = [];
    const [name = ''] = leaf.subject.commonNames;
    let next: Certificate | undefined = certificates[0];
    while (next !== undefined && vouching.length < mostAuthorities && !isAmong(next, vouching)) {
      const verdict = constraintVerdict(next, name);
      if (verdict === 'forbidden') break;
      vouching.push(next);
      // What is above gave this CA no names of devices, so those it vouches for are its own.
      if (verdict === 'silent') break;
      next = certificates[vouching.length] ?? this.#trustedAbove(next);
    }
    return vouching;
  }

  #trustedAbove(anchor: Certificate): Certificate | undefined {
    if (!this.#aboveAnchor.has(anchor)) this.#aboveAnchor.set(anchor, this.#anchorAbove(anchor));
    return this.#aboveAnchor.get(anchor);
  }

  /** Whether the CA a path ends at is still trusted. */
  trusts({ certificates }: IssuerPath): boolean {
    const top = certificates.at(-1);
    return top !== undefined && this.#anchors.has(top.fingerprint);
  }

  /** Whether this site's own hierarchy issued what stands below the path, under whichever of its certificates. */
  isOwn({ certificates }: IssuerPath): boolean {
    return certificates.some((issuer) => this.#ownIssuers.has(issuer.fingerprint) || isAmong(issuer, this.#own));
  }
}

/** The same CA again, under this or another certificate: a root signs itself, and two may have signed each other. */
function isAmong({ spki, subject }: Certificate, certificates: readonly Certificate[]): boolean {
  return certificates.some((other) => other.spki.equals(spki) && nameKey(other.subject) === nameKey(subject));
}

function presentedKey(presented: readonly Buffer[]): string {
  const [only] = presented;
  if (only === undefined) return '';
  return hash('sha256', presented.length === 1 ? only : Buffer.concat(presented), 'hex');
}
