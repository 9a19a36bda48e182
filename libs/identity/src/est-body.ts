import { Problem } from '@sallyport/protocol';
import { type Certificate, decodeCertsOnly, parseCertificate } from '@sallyport/x509';

// First octet of every PKCS#7 in DER or BER: a SEQUENCE.
const sequenceTag = 0x30;
const armour = /-----(?:BEGIN|END) [A-Z0-9 ]+-----/g;
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The certificates of an EST response, in the order they came.
 *
 * Accepts what real servers send: base64 on one line or wrapped with LF or CRLF, padded or not, in PEM armour, or plain
 * DER. The PKCS#7 may be DER or BER.
 *
 * @throws Problem `certificate-rejected`: the body is no PKCS#7 with certificates
 * @see RFC 7030 §4.1.3, §4.2.3; RFC 8951 §3 (Content-Transfer-Encoding is ignored, white space is tolerated)
 */
export function certificatesFromEstBody(body: Buffer): Certificate[] {
  const certificates = decodeCertsOnly(pkcs7From(body)).map(parseCertificate);
  if (certificates.length === 0) throw notCertificates('it holds no certificate');
  return certificates;
}

/** A request or response body of EST: one line of base64 of the DER (RFC 8951 §3). */
export function estBody(der: Buffer): string {
  return `${der.toString('base64')}\n`;
}

function pkcs7From(body: Buffer): Buffer {
  const text = body
    .toString('latin1')
    .replace(armour, '')
    .replace(/[\r\n\t ]+/g, '');
  if (base64.test(text)) return Buffer.from(text, 'base64');
  if (body[0] === sequenceTag) return body;
  throw notCertificates('it is neither base64 nor DER');
}

function notCertificates(why: string): Problem {
  return new Problem(
    'certificate-rejected',
    `The server's answer is not a set of certificates: ${why}. Check that the URL is that of an EST server (RFC 7030).`,
  );
}
