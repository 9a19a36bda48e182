import { rootCertificates } from 'node:tls';
import { type AuthorityId, type Finding, largestClientCaBytes, printable } from '@sallyport/protocol';
import {
  authorityIdOf,
  type Certificate,
  constraintVerdict,
  hasBegun,
  hasEnded,
  isStrongSignature,
  keyWeakness,
  nameKey,
  parseCertificate,
  verifySignedBy,
} from '@sallyport/x509';

const dayMs = 86_400_000;
/** From then on the end of a CA is a warning. */
const soonDays = 90;

/** What to know about a certificate that may become a Client CA. An `error` says that it cannot. */
export function caFindings(certificate: Certificate, now: Date): Finding[] {
  return [
    ...roleFindings(certificate),
    ...strengthFindings(certificate),
    ...dateFindings(certificate, now),
    ...scopeFindings(certificate),
  ];
}

/** Whether somebody signed it with its own key. */
export function isSelfSigned(certificate: Certificate): boolean {
  return nameKey(certificate.subject) === nameKey(certificate.issuer) && verifySignedBy(certificate, certificate);
}

function roleFindings(certificate: Certificate): Finding[] {
  const { version, isCa, keyUsages, extendedKeyUsages, unknownCriticalExtensions } = certificate;
  const subject = printable(certificate.subject.text);
  const findings: Finding[] = [];
  if (version !== 3) findings.push(...oldVersionFindings(certificate));
  else if (!isCa)
    findings.push(
      error(
        'not-a-ca',
        `${subject} is no CA: it says CA:FALSE, or has no basic constraints. Paste the certificate of the CA that signs your device certificates. If you make it with openssl, add: -addext basicConstraints=critical,CA:TRUE`,
      ),
    );
  if (keyUsages?.includes('keyCertSign') === false)
    findings.push(error('no-cert-sign', 'Its key usage lacks keyCertSign, so it may not sign certificates.'));
  if (extendedKeyUsages?.some((use) => use === 'clientAuth' || use === 'anyExtendedKeyUsage') === false)
    findings.push(
      error(
        'wrong-purpose',
        `Its extended key usage is ${extendedKeyUsages.join(', ')}, without clientAuth: its devices would be refused.`,
      ),
    );
  if (unknownCriticalExtensions.length > 0)
    findings.push(
      error(
        'unknown-extension',
        `It has critical extensions nobody here knows: ${unknownCriticalExtensions.join(', ')}.`,
      ),
    );
  return findings;
}

/** An X.509 v1 root has no CA flag. OpenSSL with a minimal configuration makes such ones. */
function oldVersionFindings(certificate: Certificate): Finding[] {
  const text = `It is an X.509 version ${certificate.version} certificate without a CA flag and without limits`;
  if (isSelfSigned(certificate))
    return [
      warning(
        'version-1',
        `${text}. It works, but nothing keeps it from making further CAs. Make the next one with: -addext basicConstraints=critical,CA:TRUE`,
      ),
    ];
  return [error('version-1', `${text}, and another CA signed it. Only a root may be so old.`)];
}

function strengthFindings(certificate: Certificate): Finding[] {
  const findings: Finding[] = [];
  const weakness = keyWeakness(certificate);
  if (weakness !== undefined) findings.push(error('weak-key', `Its key is not safe: it ${weakness}.`));
  if (!isStrongSignature(certificate.signatureAlgorithm))
    findings.push(
      error(
        'weak-signature',
        `It is signed with ${certificate.signatureAlgorithm}. Have it issued again with SHA-256.`,
      ),
    );
  if (certificate.der.length > largestClientCaBytes)
    findings.push(error('too-large', `It has ${certificate.der.length} bytes; the limit is ${largestClientCaBytes}.`));
  if (nameKey(certificate.subject) === nameKey(certificate.issuer) && !isSelfSigned(certificate))
    findings.push(error('signature-invalid', 'It names itself as its issuer, but its own key did not sign it.'));
  if (certificate.subject.attributes.length === 0) findings.push(error('no-name', 'It has no subject.'));
  return findings;
}

/** Also for a Client CA that is in force: it warns before its devices stop. */
export function dateFindings(certificate: Pick<Certificate, 'notBefore' | 'notAfter'>, now: Date): Finding[] {
  const { notBefore, notAfter } = certificate;
  if (hasEnded(certificate, now))
    return [error('expired', `It ended on ${notAfter.toISOString()}. Its devices are refused from then on.`)];
  if (!hasBegun(certificate, now))
    return [warning('not-yet-valid', `It begins on ${notBefore.toISOString()}. Until then its devices are refused.`)];
  const days = Math.floor((notAfter.getTime() - now.getTime()) / dayMs);
  if (days > soonDays) return [];
  return [
    warning(
      'expires-soon',
      `It ends in ${days} days, on ${notAfter.toISOString()}. Its devices all stop then: add its successor before.`,
    ),
  ];
}

function scopeFindings(certificate: Certificate): Finding[] {
  const findings: Finding[] = [];
  if (publicAuthorities().has(authorityIdOf(certificate)))
    findings.push(
      error('public-ca', 'It is a public CA: anybody can get a certificate from it, and would be a device here.'),
    );
  if (certificate.version === 3 && certificate.subjectKeyIdentifier === undefined)
    findings.push(
      warning(
        'no-key-identifier',
        'It has no subject key identifier. Other programs could not tell it from a second CA of the same name.',
      ),
    );
  if (certificate.isCa && !isSelfSigned(certificate))
    findings.push(
      info('intermediate', 'It is an intermediate CA. Only what it signs is accepted, not what the CA above it signs.'),
    );
  if (certificate.isCa && certificate.pathLength !== 0)
    findings.push(info('may-have-sub-cas', 'It may make further CAs below it, whose devices pass too.'));
  if (constraintVerdict(certificate, 'x') !== 'unconstrained')
    findings.push(
      warning(
        'name-constraints',
        'It has name constraints. They count for the names of devices here, also for names without a dot.',
      ),
    );
  return findings;
}

let known: ReadonlySet<AuthorityId> | undefined;

/** The CAs of the web, as Node knows them. Reading them takes some 50 ms, once. */
function publicAuthorities(): ReadonlySet<AuthorityId> {
  known ??= new Set(rootCertificates.flatMap(authorityOf));
  return known;
}

function authorityOf(pem: string): AuthorityId[] {
  try {
    const base64 = pem.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    return [authorityIdOf(parseCertificate(Buffer.from(base64, 'base64')))];
  } catch {
    // A root we cannot read cannot be added either.
    return [];
  }
}

export function error(code: string, text: string): Finding {
  return { code, severity: 'error', text };
}

export function warning(code: string, text: string): Finding {
  return { code, severity: 'warning', text };
}

export function info(code: string, text: string): Finding {
  return { code, severity: 'info', text };
}
