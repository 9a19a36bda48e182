import { type ClientCa, Problem, printable } from '@sallyport/protocol';
import { type CertificateRevocationList, isStrongSignature, verifyCrlSignedBy } from '@sallyport/x509';
import { certificateOf } from './client-ca-certificate.js';

/** What is known of the list in force. */
export interface CrlPlace {
  /** Decimal. */
  readonly number?: string | undefined;
  readonly thisUpdate: string;
}

/** Whether a list can serve: `stale` is past its next update. */
export type CrlState = 'missing' | 'stale' | 'current';

/** What a revocation list says of a certificate. `unknown`: no list can serve, and the Client CA demands one. */
export type CrlVerdict = 'good' | 'revoked' | 'unknown';

/** The clock of a CA may be ahead of ours by this much. */
const clockSkewMs = 300_000;

/**
 * Checks that a revocation list may take the place of the one in force.
 *
 * @param crl        the new one; its size is bounded by the caller
 * @param inForce    the one before, if there is one
 * @throws Problem `certificate-rejected`: it is no list of this CA, or it is partial or from the future
 * @throws Problem `conflict`: it is older than the one in force
 */
export function checkCrl(
  crl: CertificateRevocationList,
  {
    clientCa,
    inForce,
    now,
  }: { readonly clientCa: ClientCa; readonly inForce: CrlPlace | undefined; readonly now: Date },
): void {
  checkOrigin(crl, clientCa);
  if (crl.thisUpdate.getTime() > now.getTime() + clockSkewMs)
    throw rejected(
      `it was made on ${crl.thisUpdate.toISOString()}, which is in the future. Check the clocks of both sides`,
    );
  if (inForce !== undefined) checkOrder(crl, inForce);
}

/**
 * What to make of a certificate.
 *
 * @param isListed whether the list names its serial number
 */
export function crlVerdict(mode: ClientCa['crl']['mode'], state: CrlState, isListed: boolean): CrlVerdict {
  if (mode === 'off') return 'good';
  // What was revoked stays revoked, so a list that is too old still counts against those it names.
  if (isListed) return 'revoked';
  return mode === 'hard' && state !== 'current' ? 'unknown' : 'good';
}

function checkOrigin(crl: CertificateRevocationList, clientCa: ClientCa): void {
  // Deltas and partitions say less than a whole list, and would let revoked certificates in.
  if (crl.unknownCriticalExtensions.length > 0)
    throw rejected(
      `it is only a part of a list, or has rules nobody here knows (${crl.unknownCriticalExtensions.join(', ')})`,
    );
  if (!isStrongSignature(crl.signatureAlgorithm)) throw rejected(`it is signed with ${crl.signatureAlgorithm}`);
  if (!clientCa.certificates.map(certificateOf).some((ca) => verifyCrlSignedBy(crl, ca)))
    throw rejected(
      `the Client CA "${printable(clientCa.label)}" did not sign it. It is of ${printable(crl.issuer.text)}`,
    );
}

/** RFC 5280 §5.2.3: numbers rise with each list of a CA. An old list would let certificates in that are revoked. */
function checkOrder(crl: CertificateRevocationList, inForce: CrlPlace): void {
  const number = inForce.number === undefined ? undefined : BigInt(inForce.number);
  if (number !== undefined && crl.crlNumber === undefined)
    throw older(`it has no number, and the list in force has number ${number}`);
  if (number !== undefined && crl.crlNumber !== undefined && crl.crlNumber <= number)
    throw older(`it has number ${crl.crlNumber}, and the list in force has number ${number}`);
  if (crl.thisUpdate.getTime() < Date.parse(inForce.thisUpdate))
    throw older(`it was made on ${crl.thisUpdate.toISOString()}, and the list in force on ${inForce.thisUpdate}`);
}

function rejected(why: string): Problem {
  return new Problem('certificate-rejected', `The revocation list was refused: ${why}.`);
}

function older(why: string): Problem {
  return new Problem('conflict', `The revocation list was refused: ${why}. Only a newer one takes its place.`);
}
