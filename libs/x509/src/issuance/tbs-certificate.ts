import { hash } from 'node:crypto';
import { Problem, type SerialNumber } from '@sallyport/protocol';
import { contextConstructed } from '../der/tags.js';
import { time } from '../der/time.js';
import { integer, sequence, tlv, unsignedInteger } from '../der/writer.js';
import { certificateDocument } from '../documents.js';
import { readPublicKeyInfo } from '../public-key.js';

/** Fields of a to-be-signed certificate that differ between certificates. Each Buffer is a whole element. */
export interface TbsFields {
  readonly serialNumber: Buffer;
  readonly signatureAlgorithm: Buffer;
  readonly issuer: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: Buffer;
  readonly spki: Buffer;
  readonly extensions: readonly Buffer[];
}

const version3 = tlv(contextConstructed(0), integer(2));

/** Encodes a TBSCertificate of version 3 (RFC 5280 §4.1). */
export function encodeTbsCertificate(fields: TbsFields): Buffer {
  return sequence(
    version3,
    fields.serialNumber,
    fields.signatureAlgorithm,
    fields.issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject,
    fields.spki,
    tlv(contextConstructed(3), sequence(...fields.extensions)),
  );
}

/**
 * The INTEGER of a serial number.
 *
 * @throws Problem `invalid-request`: it is zero, or longer than 20 octets with the sign octet (RFC 5280 §4.1.2.2).
 */
export function encodeSerialNumber(serialNumber: SerialNumber): Buffer {
  const element = unsignedInteger(Buffer.from(serialNumber, 'hex'));
  if (element.length > 22 || /^0+$/.test(serialNumber))
    throw new Problem('invalid-request', `The serial number ${serialNumber} is zero or longer than 20 octets.`);
  return element;
}

/**
 * RFC 5280 §4.2.1.2 method 1: SHA-1 over the content of the BIT STRING of the key. Only an identifier, not for
 * security.
 */
export function keyIdentifierOf(spki: Buffer): Buffer {
  return hash('sha1', readPublicKeyInfo(spki, certificateDocument).publicKey, 'buffer');
}
