import { Problem } from '@sallyport/protocol';
import { oid } from '../der/oid.js';
import { contextConstructed, tags } from '../der/tags.js';
import { integer, sequence, tlv } from '../der/writer.js';
import { oids } from '../oids.js';
import { BerCursor } from './ber-cursor.js';

/**
 * Wraps certificates in a degenerate PKCS #7 SignedData: no content, no signers. The leaf is first, because clients
 * write the certificates in this order. DER would sort a SET, but every EST server keeps the order and every client
 * accepts it.
 *
 * @see RFC 7030 §4.1.3, RFC 5652 §5.1
 */
export function encodeCertsOnly(ders: readonly Uint8Array[]): Buffer {
  const signedData = sequence(
    integer(1),
    tlv(tags.set),
    sequence(oid(oids.pkcs7Data)),
    tlv(contextConstructed(0), ...ders),
    tlv(tags.set),
  );
  return sequence(oid(oids.pkcs7SignedData), tlv(contextConstructed(0), signedData));
}

const signedDataOid = oid(oids.pkcs7SignedData);

/** A chain of ten large RSA certificates has only 20 KiB. */
const maximumBytes = 1024 * 1024;

/**
 * Extracts the certificates from a PKCS #7 SignedData, in order and unchanged. The envelope may be BER with indefinite
 * lengths, as Cumulocity sends it. Signatures on the envelope are ignored.
 *
 * @returns DER of each certificate, not parsed yet.
 * @throws Problem `certificate-rejected`: not a SignedData, cut off, or nested too deep.
 */
export function decodeCertsOnly(der: Uint8Array): Buffer[] {
  if (der.byteLength > maximumBytes)
    throw new Problem(
      'certificate-rejected',
      `PKCS #7 rejected: it has ${der.byteLength} bytes, the limit is ${maximumBytes}.`,
    );
  const contentInfo = BerCursor.over(der).enter(tags.sequence);
  const contentType = contentInfo.next();
  if (!contentType.equals(signedDataOid)) contentInfo.fail('is not a SignedData');
  const signedData = contentInfo.enter(contextConstructed(0)).enter(tags.sequence);
  // version, digestAlgorithms and encapContentInfo come before the certificates (RFC 5652 §5.1).
  for (let field = 0; field < 3; field++) signedData.next();
  if (signedData.nextTag !== contextConstructed(0)) return [];
  const certificates = signedData.enter(contextConstructed(0));
  const ders: Buffer[] = [];
  while (!certificates.isAtEnd) {
    const isCertificate = certificates.nextTag === tags.sequence;
    const element = certificates.next();
    // The other members of CertificateChoices are obsolete attribute certificates.
    if (isCertificate) ders.push(element);
  }
  return ders;
}
