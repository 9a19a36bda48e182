import { hash, timingSafeEqual } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { type CertificateRequest, parseCertificateRequest, verifyPossession } from '@sallyport/x509';

/** A CSR whose sender holds the private key. */
export interface IncomingRequest {
  readonly csr: CertificateRequest;
  /** SHA-256 of its DER, hexadecimal. */
  readonly digest: string;
}

/**
 * Reads a CSR and checks that its sender holds the key. A challenge password must match the connection that the CSR
 * came over (RFC 7030 §3.5), whether or not we asked for one.
 *
 * @param channelBindings gives the values of this connection, base64; empty when it has none
 * @throws Problem `csr-rejected`: malformed, too large, or the signature does not verify
 * @throws Problem `csr-forbidden`: the challenge password is of another connection
 */
export function readRequest(der: Buffer, channelBindings: () => readonly string[]): IncomingRequest {
  const csr = parseCertificateRequest(der);
  verifyPossession(csr);
  const { challengePassword } = csr;
  if (challengePassword !== undefined && !channelBindings().some((binding) => isSame(binding, challengePassword)))
    throw new Problem(
      'csr-forbidden',
      'The challengePassword of the CSR is not the channel binding of this TLS connection. Leave it out, or make a new one for each connection.',
    );
  return { csr, digest: hash('sha256', der) };
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hash('sha256', a)), Buffer.from(hash('sha256', b)));
}
