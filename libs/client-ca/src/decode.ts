import {
  type Decoded,
  type DecodedCertificate,
  type DecodedItem,
  type Finding,
  type Pasted,
  printable,
} from '@sallyport/protocol';
import { authorityIdOf, type Certificate, describeCertificate } from '@sallyport/x509';
import { caFindings, error, isSelfSigned } from './ca-findings.js';
import { certificatesIn, type PastedItem, readPasted } from './pasted.js';

const soonSeconds = 90 * 86_400;
const mostNames = 50;

/**
 * Says what somebody pasted is, and what stands against it as a Client CA. A pure function: it never throws on input,
 * stores nothing, and never follows a URL in a certificate.
 *
 * Names in the answer are escaped for one line of plain text. They came from a stranger, so HTML needs its own escapes.
 */
export function decode(pasted: Pasted, now: Date): Decoded {
  const { items, isCut } = readPasted(pasted);
  const findings = [
    ...items.flatMap((item, index) => itemFindings(item, now).map((finding) => ({ ...finding, item: index }))),
    ...wholeFindings(items),
    ...(isCut ? [error('too-many', 'There is more in it than is read. Paste one certificate.')] : []),
  ];
  const fitsClientCa = certificatesIn(items).length === 1 && findings.every(({ severity }) => severity !== 'error');
  return { items: items.map((item) => describe(item, now)), findings, fitsClientCa };
}

function itemFindings(item: PastedItem, now: Date): Finding[] {
  switch (item.kind) {
    case 'certificate':
      return caFindings(item.certificate, now);
    case 'private-key':
      return [
        error(
          'private-key',
          'You pasted a private key. It was not kept. If anybody else could see it, make a new key and have its certificates issued again.',
        ),
      ];
    case 'unreadable':
      return [error('unreadable', item.text)];
    case 'public-key':
    case 'request':
    case 'revocation-list':
      return [error('no-certificate', item.text)];
    default:
      return item satisfies never;
  }
}

function wholeFindings(items: readonly PastedItem[]): Finding[] {
  if (items.length === 0) return [error('empty', 'Nothing was pasted.')];
  const certificates = certificatesIn(items);
  if (certificates.length < 2) return [];
  const found = `There are ${certificates.length} certificates in it`;
  if (new Set(certificates.map(({ fingerprint }) => fingerprint)).size === 1)
    return [error('more-than-one', `${found}, all the same one. Paste it once.`)];
  return [error('more-than-one', `${found}. Add each CA by itself, and leave device certificates out.`)];
}

function describe(item: PastedItem, now: Date): DecodedItem {
  if (item.kind !== 'certificate') return { kind: item.kind, text: printable(item.text) };
  return describeOne(item.certificate, now);
}

function describeOne(certificate: Certificate, now: Date): DecodedCertificate {
  const readable = describeCertificate(certificate, now, soonSeconds);
  const { version, isCa, subject, pathLength } = certificate;
  const names = certificate.subjectAltNames.slice(0, mostNames);
  return {
    kind: 'certificate',
    role: roleOf(certificate),
    ...(isCa || isOldRoot(certificate) ? { authority: authorityIdOf(certificate) } : {}),
    fingerprint: certificate.fingerprint,
    version,
    subject: printable(readable.subject),
    issuer: printable(readable.issuer),
    commonNames: subject.commonNames.slice(0, mostNames).map(printable),
    serialNumber: readable.serialNumber.hex,
    notBefore: readable.validFrom.toISOString(),
    notAfter: readable.validUntil.toISOString(),
    status: readable.status,
    key: readable.key,
    signatureAlgorithm: readable.signatureAlgorithm,
    subjectAltNames: names.map(({ type, value }) => printable(`${type}:${value}`)),
    keyUsages: [...readable.keyUsages],
    extendedKeyUsages: [...readable.extendedKeyUsages],
    ...(pathLength === undefined ? {} : { pathLength }),
    der: certificate.der.toString('base64'),
  };
}

function roleOf(certificate: Certificate): DecodedCertificate['role'] {
  const isOwn = isSelfSigned(certificate);
  if (certificate.isCa) return isOwn ? 'root-ca' : 'intermediate-ca';
  if (isOldRoot(certificate)) return 'root-ca';
  return isOwn ? 'self-signed' : 'leaf';
}

function isOldRoot(certificate: Certificate): boolean {
  return certificate.version !== 3 && isSelfSigned(certificate);
}
