import { createCipheriv, createHmac, type KeyObject, pbkdf2Sync, randomBytes } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import forge from 'node-forge';
import type { Certificate } from '../certificate.js';
import { oid } from '../der/oid.js';
import { contextConstructed, contextPrimitive } from '../der/tags.js';
import { integer, nullValue, octetString, sequence, setOf, tlv } from '../der/writer.js';
import { oids } from '../oids.js';
import { isCertificateOf, ownCertificateFirst } from './key-bundle.js';

const saltOctets = 16;

/**
 * The number that keytool of Java uses. An attacker can test a password with the MAC too, so both use the same number.
 */
const iterations = 10_000;

/**
 * Packs a private key and its chain into PKCS #12: PBES2 with AES-256-CBC, PBKDF2 and MAC with HMAC-SHA-256, readable
 * by OpenSSL 1.1 and newer, Java 8u301 and newer, and Windows 10 1709 and newer.
 *
 * @param options.certificates  the certificate of the key and its chain; we put the certificate of the key first.
 * @param options.password  ASCII, not empty.
 * @throws Problem `invalid-request`: the password is empty or not ASCII, or no certificate belongs to the key.
 * @see RFC 7292 §4
 */
export function exportPkcs12(options: {
  readonly privateKey: KeyObject;
  readonly certificates: readonly Certificate[];
  readonly password: string;
}): Buffer {
  const { privateKey, password } = options;
  const certificates = ownCertificateFirst(privateKey, options.certificates);
  const [own] = certificates;
  if (own === undefined || !isCertificateOf(privateKey, own))
    throw new Problem('invalid-request', 'A PKCS #12 file needs the certificate of its key; none was given.');
  if (!/^[\x20-\x7e]+$/.test(password))
    throw new Problem('invalid-request', 'The password of a PKCS #12 file needs 1 or more ASCII characters.');
  const keyId = Buffer.from(own.fingerprintSha1, 'hex');
  const certificateBags = certificates.map(({ der }, index) => certificateBag(der, index === 0 ? keyId : undefined));
  const authenticatedSafe = sequence(
    encryptedContent(sequence(...certificateBags), password),
    plainContent(sequence(keyBag(privateKey, password, keyId))),
  );
  return sequence(integer(3), plainContent(authenticatedSafe), macData(authenticatedSafe, password));
}

function certificateBag(der: Buffer, keyId: Buffer | undefined): Buffer {
  const value = sequence(oid(oids.x509Certificate), tlv(contextConstructed(0), octetString(der)));
  return safeBag(oids.certBag, value, keyId);
}

function keyBag(privateKey: KeyObject, password: string, keyId: Buffer): Buffer {
  const { algorithm, ciphertext } = encrypt(privateKey.export({ type: 'pkcs8', format: 'der' }), password);
  return safeBag(oids.pkcs8ShroudedKeyBag, sequence(algorithm, octetString(ciphertext)), keyId);
}

/** The local key id connects a key with its certificate. Java and Windows use it. */
function safeBag(type: string, value: Buffer, keyId: Buffer | undefined): Buffer {
  const attributes = keyId ? [setOf(sequence(oid(oids.localKeyId), setOf(octetString(keyId))))] : [];
  return sequence(oid(type), tlv(contextConstructed(0), value), ...attributes);
}

function plainContent(content: Buffer): Buffer {
  return sequence(oid(oids.pkcs7Data), tlv(contextConstructed(0), octetString(content)));
}

function encryptedContent(content: Buffer, password: string): Buffer {
  const { algorithm, ciphertext } = encrypt(content, password);
  const contentInfo = sequence(oid(oids.pkcs7Data), algorithm, tlv(contextPrimitive(0), ciphertext));
  const encryptedData = sequence(integer(0), contentInfo);
  return sequence(oid(oids.pkcs7EncryptedData), tlv(contextConstructed(0), encryptedData));
}

/** PBES2 (RFC 8018 §6.2). */
function encrypt(content: Buffer, password: string): { readonly algorithm: Buffer; readonly ciphertext: Buffer } {
  const salt = randomBytes(saltOctets);
  const initialVector = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(password, salt, iterations, 32, 'sha256'), initialVector);
  const pseudoRandomFunction = sequence(oid(oids.hmacWithSha256), nullValue());
  const derivation = sequence(octetString(salt), integer(iterations), pseudoRandomFunction);
  const parameters = sequence(
    sequence(oid(oids.pbkdf2), derivation),
    sequence(oid(oids.aes256Cbc), octetString(initialVector)),
  );
  return {
    algorithm: sequence(oid(oids.pbes2), parameters),
    ciphertext: Buffer.concat([cipher.update(content), cipher.final()]),
  };
}

/** Purpose octet of the derivation for a MAC key (RFC 7292 §B.3). */
const macKeyPurpose = 3;

function macData(authenticatedSafe: Buffer, password: string): Buffer {
  const salt = randomBytes(saltOctets);
  const saltBuffer = forge.util.createBuffer(salt.toString('latin1'));
  const sha256 = forge.md.sha256.create();
  const key = forge.pkcs12.generateKey(password, saltBuffer, macKeyPurpose, iterations, 32, sha256).getBytes();
  const mac = createHmac('sha256', Buffer.from(key, 'latin1')).update(authenticatedSafe).digest();
  const digestInfo = sequence(sequence(oid(oids.sha256), nullValue()), octetString(mac));
  return sequence(digestInfo, octetString(salt), integer(iterations));
}
