import { oid } from '../der/oid.js';
import { bitString, integer, sequence } from '../der/writer.js';
import { keyUsage, leafConstraints } from '../extension-writers.js';
import type { Name } from '../name.js';
import { oids } from '../oids.js';
import { encodeTbsCertificate } from './tbs-certificate.js';

const keyBytes = 32;
const signatureBytes = 64;

/**
 * A certificate that only carries a name, and that nothing can be verified with. TLS servers list the names of the
 * certificates they trust, and OpenSSL through Node takes a name for that list in no other form.
 *
 * Four times nobody can use it: its key is for X25519, which cannot sign; nobody knows the private half; it is no CA;
 * and it ended in 1970.
 */
export function nameOnlyCertificate({ der: name }: Pick<Name, 'der'>): Buffer {
  const signatureAlgorithm = sequence(oid(oids.ed25519));
  const tbsCertificate = encodeTbsCertificate({
    serialNumber: integer(1),
    signatureAlgorithm,
    issuer: name,
    notBefore: new Date(0),
    notAfter: new Date(0),
    subject: name,
    spki: sequence(sequence(oid(oids.x25519)), bitString(Buffer.alloc(keyBytes, 1))),
    extensions: [leafConstraints(), keyUsage(['keyAgreement'])],
  });
  return sequence(tbsCertificate, signatureAlgorithm, bitString(Buffer.alloc(signatureBytes)));
}
