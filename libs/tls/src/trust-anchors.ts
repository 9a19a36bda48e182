import { type Fingerprint, mostNamesakes, printable } from '@sallyport/protocol';
import {
  type Certificate,
  constraintVerdict,
  hasBegun,
  hasEnded,
  isSelfIssued,
  keyWeakness,
  nameKey,
} from '@sallyport/x509';
import { namesakesAmong } from './namesakes.js';

/** The CAs a listener trusts to vouch for its peers. */
export interface TrustAnchors {
  readonly certificates: readonly Certificate[];
  /** CAs of this site's own hierarchy. Only certificates they issued may have a kind (`service`, `admin`). */
  readonly ownIssuers: ReadonlySet<Fingerprint>;
  /** What was left out or needs attention, one sentence each, with the name of the file. */
  readonly warnings: readonly string[];
}

/** A certificate that is offered as a CA, with the name the operator knows it by, such as its file. */
export interface AnchorCandidate {
  readonly name: string;
  readonly certificate: Certificate;
}

export interface TrustAnchorOptions {
  readonly now?: Date;
  readonly ownIssuers?: ReadonlySet<Fingerprint>;
}

/** Why a certificate cannot be trusted as a CA, or undefined. */
export function unusable(certificate: Certificate, now: Date): string | undefined {
  if (hasEnded(certificate, now)) return `expired ${certificate.notAfter.toISOString()}`;
  const weakness = keyWeakness(certificate);
  if (weakness !== undefined) return weakness;
  if (certificate.version !== 3)
    return isSelfIssued(certificate)
      ? undefined
      : `is an X.509 version ${certificate.version} certificate that is not self-signed, so nothing says it is a CA`;
  if (!certificate.isCa)
    return 'is not a CA certificate (CA:FALSE); trusting it would let it vouch for itself for ever. Add the CA that issued it';
  if (certificate.keyUsages !== undefined && !certificate.keyUsages.includes('keyCertSign'))
    return 'may not sign certificates (its key usage lacks keyCertSign)';
  return undefined;
}

/** Why a usable CA needs a warning, or undefined. */
function doubtful(certificate: Certificate, now: Date): string | undefined {
  if (certificate.version !== 3)
    return `is an X.509 version ${certificate.version} certificate: it has no CA flag and no path limit. Replace it by a version 3 CA`;
  if (!hasBegun(certificate, now)) return `is not valid before ${certificate.notBefore.toISOString()}`;
  return undefined;
}

/** What does not work with a CA that shares its subject with one of another key. */
function namesakeDoubt(certificate: Certificate): string | undefined {
  if (constraintVerdict(certificate, '') !== 'unconstrained')
    return 'has name constraints and the same subject as another trusted CA, so its devices are refused. Give it a subject of its own';
  if (certificate.pathLength === 0) return undefined;
  return 'has the same subject as another trusted CA and another key. Devices that it signed itself pass; those of intermediate CAs below it do not, unless these are trusted here too';
}

const crowded = `has the same subject as ${mostNamesakes} other trusted CAs. Give it a subject of its own`;

/** Collects anchors one by one. */
class AnchorCollector {
  readonly certificates: Certificate[] = [];
  readonly warnings: string[] = [];
  private readonly now: Date;
  private readonly ownIssuers: ReadonlySet<Fingerprint>;
  private readonly nameByFingerprint = new Map<Fingerprint, string>();
  private readonly keysBySubject = new Map<string, Set<string>>();
  private readonly repeated = new Map<string, { times: number; elsewhere: string }>();

  constructor(now: Date, ownIssuers: ReadonlySet<Fingerprint>) {
    this.now = now;
    this.ownIssuers = ownIssuers;
  }

  offer({ name, certificate }: AnchorCandidate): void {
    const elsewhere = this.nameByFingerprint.get(certificate.fingerprint);
    this.nameByFingerprint.set(certificate.fingerprint, elsewhere ?? name);
    const fault = unusable(certificate, this.now) ?? (this.isCrowded(certificate) ? crowded : undefined);
    // The signer looks after the dates of its own CAs: one may have been made while the clock was ahead.
    const doubt = this.ownIssuers.has(certificate.fingerprint) ? undefined : doubtful(certificate, this.now);
    if (elsewhere !== undefined) this.countRepeated(name, elsewhere);
    else if (fault !== undefined) this.warn(name, certificate, fault, 'ignored');
    else {
      if (doubt !== undefined) this.warn(name, certificate, doubt, 'trusted');
      this.certificates.push(certificate);
      this.keysOf(certificate).add(certificate.spki.toString('latin1'));
    }
  }

  finish(): void {
    for (const certificate of namesakesAmong(this.certificates)) {
      const name = this.nameByFingerprint.get(certificate.fingerprint) ?? '';
      const doubt = namesakeDoubt(certificate);
      if (doubt !== undefined) this.warn(name, certificate, doubt, 'trusted');
    }
    for (const [name, { times, elsewhere }] of this.repeated)
      this.warnings.push(
        times === 1 ? `${name}: ignored, the same CA as ${elsewhere}` : `${name}: ${times} CAs ignored, listed before`,
      );
  }

  private keysOf({ subject }: Certificate): Set<string> {
    const name = nameKey(subject);
    const keys = this.keysBySubject.get(name) ?? new Set();
    this.keysBySubject.set(name, keys);
    return keys;
  }

  private isCrowded(certificate: Certificate): boolean {
    const keys = this.keysOf(certificate);
    return keys.size >= mostNamesakes && !keys.has(certificate.spki.toString('latin1'));
  }

  private warn(name: string, certificate: Certificate, text: string, outcome: 'ignored' | 'trusted'): void {
    this.warnings.push(`${name}: ${outcome}, "${printable(certificate.subject.text)}" ${text}`);
  }

  private countRepeated(name: string, elsewhere: string): void {
    const times = (this.repeated.get(name)?.times ?? 0) + 1;
    this.repeated.set(name, { times, elsewhere });
  }
}

/**
 * Picks the certificates that can be trusted as CAs. Leaves out, with a warning, what is expired, weak, not a CA,
 * listed twice, or one of too many with its name. The result may be empty.
 */
export function makeTrustAnchors(
  candidates: readonly AnchorCandidate[],
  { now = new Date(), ownIssuers = new Set() }: TrustAnchorOptions = {},
): TrustAnchors {
  const collector = new AnchorCollector(now, ownIssuers);
  for (const candidate of candidates) collector.offer(candidate);
  collector.finish();
  return { certificates: collector.certificates, ownIssuers, warnings: collector.warnings };
}
