import { createPublicKey, type KeyObject } from 'node:crypto';
import { oid } from '../der/oid.js';
import { contextConstructed, tags } from '../der/tags.js';
import { asciiString, bitString, integer, sequence, setOf, tlv, utf8String } from '../der/writer.js';
import { subjectAltName } from '../extension-writers.js';
import type { SubjectAltName } from '../general-name.js';
import { type DeviceSubject, encodeDeviceSubject } from '../name.js';
import { oids } from '../oids.js';
import { signerFor } from '../signature.js';

/** The content of a certification request. */
export type RequestOptions = RequestContent & DeviceSubject;

interface RequestContent {
  /** Signs the request. The certificate will be for its public key. The key decides the hash. */
  readonly privateKey: KeyObject;
  readonly subjectAltNames?: readonly SubjectAltName[] | undefined;
  readonly challengePassword?: string | undefined;
}

/**
 * Makes a PKCS #10 certification request.
 *
 * @returns DER.
 * @throws Problem `invalid-request`: a name or key that cannot be encoded.
 * @see RFC 2986 §4
 */
export function buildCertificateRequest(options: RequestOptions): Buffer {
  const { privateKey, subjectAltNames = [], challengePassword } = options;
  const attributes: Buffer[] = [];
  if (challengePassword !== undefined)
    attributes.push(sequence(oid(oids.challengePassword), setOf(directoryString(challengePassword))));
  if (subjectAltNames.length > 0)
    attributes.push(sequence(oid(oids.extensionRequest), setOf(sequence(subjectAltName(subjectAltNames)))));
  const requestInfo = sequence(
    integer(0),
    encodeDeviceSubject(options),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    tlv(contextConstructed(0), ...attributes.toSorted(Buffer.compare)),
  );
  const signer = signerFor(privateKey);
  return sequence(requestInfo, signer.algorithmIdentifier, bitString(signer.sign(requestInfo)));
}

/** RFC 2985 §5.4.1: PrintableString if possible, otherwise UTF8String. */
function directoryString(text: string): Buffer {
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text) ? asciiString(tags.printableString, text) : utf8String(text);
}
