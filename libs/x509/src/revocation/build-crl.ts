import type { KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import type { Certificate } from '../certificate.js';
import { oid } from '../der/oid.js';
import { contextConstructed } from '../der/tags.js';
import { time } from '../der/time.js';
import { bitString, enumerated, integer, octetString, sequence, tlv } from '../der/writer.js';
import { authorityKeyIdentifier, crlNumber } from '../extension-writers.js';
import { issuerKeyIdentifier, requirePair } from '../issuance/leaf-issuer.js';
import { encodeSerialNumber } from '../issuance/tbs-certificate.js';
import { oids } from '../oids.js';
import { signerFor } from '../signature.js';
import { type RevokedEntry, revocationCodeOf } from './revoked-entry.js';

/** The fields of a full CRL besides its entries. */
export interface CrlFields {
  readonly issuer: Certificate;
  readonly privateKey: KeyObject;
  /** Increases with every list of this issuer (RFC 5280 §5.2.3); at most 20 octets. */
  readonly crlNumber: bigint;
  readonly thisUpdate: Date;
  /** End of use of the list. After it, readers refuse all certificates of this issuer. */
  readonly nextUpdate: Date;
}

/** The content of a new full CRL. */
export interface CrlOptions extends CrlFields {
  /** Written in the given order. The caller must leave out expired certificates. */
  readonly entries: readonly RevokedEntry[];
}

const version2 = integer(1);
const maximumNumber = 1n << 159n;

/**
 * Makes a full CRL of any size, a few entries at a time. So the caller can let other work run in between.
 *
 * @example
 *   const crl = new CrlBuilder();
 *   for await (const page of pages) crl.add(page);
 *   const der = crl.sign({ issuer, privateKey, crlNumber, thisUpdate, nextUpdate });
 */
export class CrlBuilder {
  private readonly chunks: Buffer[] = [];
  private count = 0;

  get entryCount(): number {
    return this.count;
  }

  /** Adds entries at the end. Takes a few microseconds for each. */
  add(entries: readonly RevokedEntry[]): void {
    if (entries.length === 0) return;
    this.chunks.push(Buffer.concat(entries.map(encodeEntry)));
    this.count += entries.length;
  }

  /**
   * Signs a full CRL, version 2, with its number and the key identifier of the issuer. Blocks for some milliseconds for
   * each megabyte.
   *
   * @returns DER: 35 octets for each entry, 49 with a reason.
   * @throws Problem `invalid-request`: the number is not positive or too long, or `nextUpdate` is not after `thisUpdate`.
   * @throws Problem `signing-key-unavailable`: the issuer may not sign CRLs, or the key does not belong to it.
   */
  sign(fields: CrlFields): Buffer {
    const { issuer, privateKey, thisUpdate, nextUpdate } = fields;
    requireCrlFields(fields);
    requirePair(issuer, privateKey);
    const signer = signerFor(privateKey);
    const extensions = sequence(authorityKeyIdentifier(issuerKeyIdentifier(issuer)), crlNumber(fields.crlNumber));
    const tbsCertList = sequence(
      version2,
      signer.algorithmIdentifier,
      issuer.subject.der,
      time(thisUpdate),
      time(nextUpdate),
      // RFC 5280 §5.1.2.6: an empty list is not encoded.
      ...(this.count === 0 ? [] : [sequence(...this.chunks)]),
      tlv(contextConstructed(0), extensions),
    );
    return sequence(tbsCertList, signer.algorithmIdentifier, bitString(signer.sign(tbsCertList)));
  }
}

/**
 * Makes and signs a full CRL in one step. For many thousands of entries use `CrlBuilder`.
 *
 * @returns DER, as `CrlBuilder.sign`.
 * @throws Problem as `CrlBuilder.sign`.
 */
export function buildCrl({ entries, ...fields }: CrlOptions): Buffer {
  const builder = new CrlBuilder();
  builder.add(entries);
  return builder.sign(fields);
}

function requireCrlFields({ issuer, crlNumber: number, thisUpdate, nextUpdate }: CrlFields): void {
  if (number <= 0n || number >= maximumNumber)
    throw new Problem('invalid-request', `The CRL number ${number} is not between 1 and 2^159.`);
  if (nextUpdate <= thisUpdate)
    throw new Problem('invalid-request', `The CRL ends ${nextUpdate.toISOString()}, before it begins.`);
  if (issuer.keyUsages?.includes('cRLSign') === false)
    throw new Problem('signing-key-unavailable', `${issuer.subject.text} has not the key usage cRLSign.`);
}

function encodeEntry({ serialNumber, revokedAt, reason = 'unspecified' }: RevokedEntry): Buffer {
  const serial = encodeSerialNumber(serialNumber);
  // RFC 5280 §5.3.1: instead of the reason `unspecified`, the reason SHOULD be absent.
  if (reason === 'unspecified') return sequence(serial, time(revokedAt));
  const value = octetString(enumerated(revocationCodeOf(reason)));
  return sequence(serial, time(revokedAt), sequence(sequence(reasonCodeOid, value)));
}

const reasonCodeOid = oid(oids.reasonCode);
