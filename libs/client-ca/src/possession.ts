import { type ClientCa, Problem, printable } from '@sallyport/protocol';
import { type Certificate, hasEnded, verifySignedBy } from '@sallyport/x509';
import { certificateOf } from './client-ca-certificate.js';
import { proofNamePrefix } from './identity.js';

/** The name a certificate must have to prove a CA: the nonce with a prefix no device may have. At most 64 characters. */
export function proofName(nonce: string): string {
  return `${proofNamePrefix}${nonce}`;
}

/**
 * The lines that make the certificate, for a shell. CA.pem and CA-key.pem stand for the files of the CA; nothing else is
 * to be filled in. The key of the CA stays where it is.
 */
export function proofCommands(commonName: string): string[] {
  return [
    `openssl req -new -nodes -newkey rsa:2048 -sha256 -subj /CN=${commonName} -keyout proof-key.pem -out proof.csr`,
    'openssl x509 -req -in proof.csr -CA CA.pem -CAkey CA-key.pem -CAcreateserial -days 1 -sha256 -out proof.pem',
  ];
}

/**
 * Checks that a certificate proves that the key of a CA is held.
 *
 * @param commonName the one that was drawn for this CA
 * @throws Problem `certificate-rejected`: it proves nothing; says why
 */
export function checkPossession(
  proof: Certificate,
  { clientCa, commonName, now }: { readonly clientCa: ClientCa; readonly commonName: string; readonly now: Date },
): void {
  const [name, ...others] = proof.subject.commonNames;
  if (name !== commonName || others.length > 0)
    throw rejected(
      `its common name is "${printable(proof.subject.commonNames.join(', '))}", and "${commonName}" is asked for`,
    );
  if (!clientCa.certificates.map(certificateOf).some((ca) => verifySignedBy(proof, ca)))
    throw rejected(`the key of the Client CA "${printable(clientCa.label)}" did not sign it`);
  if (hasEnded(proof, now)) throw rejected(`it ended on ${proof.notAfter.toISOString()}`);
}

function rejected(why: string): Problem {
  return new Problem(
    'certificate-rejected',
    `The certificate proves nothing: ${why}. Run the lines of the challenge again, as they are.`,
  );
}
