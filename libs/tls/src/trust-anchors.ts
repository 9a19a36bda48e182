import { type Fingerprint, printable } from '@sallyport/protocol';
import { type Certificate, hasBegun, hasEnded, keyWeakness, nameKey } from '@sallyport/x509';

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
function unusable(certificate: Certificate, now: Date): string | undefined {
  if (hasEnded(certificate, now)) return `expired ${certificate.notAfter.toISOString()}`;
  const weakness = keyWeakness(certificate);
  if (weakness !== undefined) return weakness;
  if (certificate.version !== 3)
    return certificate.subject.der.equals(certificate.issuer.der)
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

/** The trusted CAs that share one subject name. */
interface Namesakes {
  readonly keys: Set<string>;
  /** Whether one of them has no subject key identifier. */
  bare: boolean;
}

/**
 * OpenSSL finds an issuer by its name and, if both certificates have one, by its key identifier. Of two CAs with the
 * same name and without identifiers, it always tries the first. Then every device of the second fails with a bad
 * signature.
 */
function isIndistinct(certificate: Certificate, { keys, bare }: Namesakes): boolean {
  const hasOtherKey = keys.size > 1 || (keys.size === 1 && !keys.has(certificate.spki.toString('latin1')));
  return hasOtherKey && (bare || certificate.subjectKeyIdentifier === undefined);
}

const indistinct =
  'has the same subject as another trusted CA but a different key, and not both carry a subject key identifier, so devices could not be told apart. Issue it again with one';

/** Collects anchors one by one. Of two that cannot be told apart, the first stays. */
class AnchorCollector {
  readonly certificates: Certificate[] = [];
  readonly warnings: string[] = [];
  private readonly now: Date;
  private readonly nameByFingerprint = new Map<Fingerprint, string>();
  private readonly bySubject = new Map<string, Namesakes>();
  private readonly repeated = new Map<string, { times: number; elsewhere: string }>();

  constructor(now: Date) {
    this.now = now;
  }

  offer({ name, certificate }: AnchorCandidate): void {
    const elsewhere = this.nameByFingerprint.get(certificate.fingerprint);
    this.nameByFingerprint.set(certificate.fingerprint, elsewhere ?? name);
    const subject = nameKey(certificate.subject);
    const namesakes = this.bySubject.get(subject) ?? { keys: new Set(), bare: false };
    const fault = unusable(certificate, this.now) ?? (isIndistinct(certificate, namesakes) ? indistinct : undefined);
    const doubt = doubtful(certificate, this.now);
    if (elsewhere !== undefined) this.countRepeated(name, elsewhere);
    else if (fault !== undefined) this.warn(name, certificate, fault, 'ignored');
    else {
      if (doubt !== undefined) this.warn(name, certificate, doubt, 'trusted');
      this.certificates.push(certificate);
      namesakes.keys.add(certificate.spki.toString('latin1'));
      namesakes.bare ||= certificate.subjectKeyIdentifier === undefined;
      this.bySubject.set(subject, namesakes);
    }
  }

  finish(): void {
    for (const [name, { times, elsewhere }] of this.repeated)
      this.warnings.push(
        times === 1 ? `${name}: ignored, the same CA as ${elsewhere}` : `${name}: ${times} CAs ignored, listed before`,
      );
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
 * listed twice, or cannot be told from another CA. The result may be empty.
 */
export function makeTrustAnchors(
  candidates: readonly AnchorCandidate[],
  { now = new Date(), ownIssuers = new Set() }: TrustAnchorOptions = {},
): TrustAnchors {
  const collector = new AnchorCollector(now);
  for (const candidate of candidates) collector.offer(candidate);
  collector.finish();
  return { certificates: collector.certificates, ownIssuers, warnings: collector.warnings };
}
