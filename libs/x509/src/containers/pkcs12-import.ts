import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import forge from 'node-forge';
import { type Certificate, parseCertificate } from '../certificate.js';
import { oids } from '../oids.js';
import { type KeyBundle, ownCertificateFirst } from './key-bundle.js';
import { readAsn1, requireBoundedIterations } from './pkcs12-iterations.js';

const maximumBytes = 1024 * 1024;

/**
 * Opens a PKCS #12 file: EC, Ed25519 or RSA, encrypted with AES or 3DES, with a password MAC, as `openssl pkcs12
 * -export` and keytool of Java make it. Our own parser reads the certificates. The native implementation reads the
 * keys.
 *
 * @throws Problem `invalid-request`: wrong password, no private key or more than one, no MAC, or not PKCS #12.
 * @throws Problem `certificate-rejected`: a certificate in it is malformed.
 * @see RFC 7292
 */
export function importPkcs12(der: Buffer, password: string): KeyBundle {
  if (!/^[\x20-\x7e]*$/.test(password))
    throw new Problem(
      'invalid-request',
      'The password holds characters outside ASCII, which tools encode differently. Export the file again with an ASCII password.',
    );
  const bags = openBags(der, password);
  const [privateKey, ...others] = bags.flatMap(privateKeyOf);
  if (privateKey === undefined || others.length > 0)
    throw new Problem(
      'invalid-request',
      `The PKCS #12 file holds ${privateKey === undefined ? 'no' : 'more than one'} private key. Export it again with exactly one.`,
    );
  return { privateKey, certificates: ownCertificateFirst(privateKey, bags.flatMap(certificateOf)) };
}

function openBags(der: Buffer, password: string): forge.pkcs12.Bag[] {
  try {
    if (der.length > maximumBytes)
      throw new Problem('invalid-request', `The PKCS #12 file has ${der.length} bytes, the limit is ${maximumBytes}.`);
    const pfx = readAsn1(der.toString('latin1'));
    requireBoundedIterations(pfx, password);
    return forge.pkcs12.pkcs12FromAsn1(pfx, true, password).safeContents.flatMap(({ safeBags }) => safeBags);
  } catch (error) {
    throw error instanceof Problem ? error : problemOf(error);
  }
}

function problemOf(cause: unknown): Problem {
  const reason = cause instanceof Error ? cause.message : '';
  if (/Invalid password|wrong password/.test(reason))
    return new Problem('invalid-request', 'The password does not open the PKCS #12 file, or the file was changed.', {
      cause,
    });
  if (/unsupported|Unsupported/.test(reason))
    return new Problem(
      'invalid-request',
      'The PKCS #12 file uses an algorithm that is not supported. Export it again with AES-256 and a SHA-256 MAC.',
      { cause },
    );
  return new Problem('invalid-request', 'This is not a PKCS #12 file, or it is damaged.', { cause });
}

/** forge parses RSA keys. It returns keys it does not know, EC and Ed25519, as ASN.1. */
function privateKeyOf(bag: forge.pkcs12.Bag): KeyObject[] {
  if (bag.type !== oids.keyBag && bag.type !== oids.pkcs8ShroudedKeyBag) return [];
  const pkcs8 = bag.key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(bag.key)) : bag.asn1;
  try {
    return [createPrivateKey({ key: derOf(pkcs8), format: 'der', type: 'pkcs8' })];
  } catch (cause) {
    throw new Problem('invalid-request', 'The private key in the PKCS #12 file cannot be read.', { cause });
  }
}

function certificateOf(bag: forge.pkcs12.Bag): Certificate[] {
  if (bag.type !== oids.certBag) return [];
  return [parseCertificate(derOf(bag.cert ? forge.pki.certificateToAsn1(bag.cert) : bag.asn1))];
}

function derOf(asn1: forge.asn1.Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1');
}
