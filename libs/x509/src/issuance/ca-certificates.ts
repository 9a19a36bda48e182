import { createPublicKey, type KeyObject } from 'node:crypto';
import { type SerialNumber } from '@sallyport/protocol';
import type { Certificate } from '../certificate.js';
import { bitString, sequence } from '../der/writer.js';
import {
  authorityKeyIdentifier,
  caConstraints,
  caIssuersAccess,
  crlDistributionPoint,
  extendedKeyUsage,
  keyUsage,
  nameConstraints,
  subjectKeyIdentifier,
} from '../extension-writers.js';
import { type DeviceSubject, encodeDeviceSubject, encodeSubject } from '../name.js';
import { oids } from '../oids.js';
import { signerFor } from '../signature.js';
import { issuerKeyIdentifier, requirePair } from './leaf-issuer.js';
import { certificateProfiles } from './profiles.js';
import { RehearsedSigner } from './rehearsed-signer.js';
import { newSerialNumber } from './serial-number.js';
import { encodeSerialNumber, encodeTbsCertificate, keyIdentifierOf } from './tbs-certificate.js';

interface AuthorityFields {
  readonly commonName: string;
  readonly organization?: string | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** A new random one when absent. */
  readonly serialNumber?: SerialNumber | undefined;
}

/** The parameters of a new root. */
export interface RootCertificateOptions extends AuthorityFields {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The parameters of a new issuing CA. */
export interface CaCertificateOptions extends AuthorityFields {
  readonly issuer: Certificate;
  readonly issuerKey: KeyObject;
  /** Key of the new CA. */
  readonly publicKey: KeyObject;
  /** URL of the CRL of the issuer; http. */
  readonly crlUrl?: string | undefined;
  /** URL of the certificate of the issuer, in DER; http. */
  readonly caIssuersUrl?: string | undefined;
}

/** The parameters of a cross certificate. */
export interface CrossCertificateOptions {
  /** The root whose key and name are certified. */
  readonly subject: Certificate;
  /** The root that vouches for it. */
  readonly issuer: Certificate;
  readonly issuerKey: KeyObject;
  readonly notBefore: Date;
  /** A new random one when absent. */
  readonly serialNumber?: SerialNumber | undefined;
}

/**
 * Makes a self-signed root with the `root` profile: no path length, certificate and CRL signing only.
 *
 * @returns DER.
 * @throws Problem `invalid-request`: a name, date or key that cannot be encoded.
 * @throws Problem `csr-rejected`: the certificate would break a rule; nothing was signed.
 */
export function issueRootCertificate(options: RootCertificateOptions): Buffer {
  const { privateKey, publicKey } = options;
  const { keyUsages } = certificateProfiles.root;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const signer = new RehearsedSigner(privateKey);
  const subject = encodeSubject(options);
  const tbsCertificate = encodeTbsCertificate({
    ...validityAndSerial(options),
    signatureAlgorithm: signer.algorithmIdentifier,
    issuer: subject,
    subject,
    spki,
    extensions: [caConstraints(), keyUsage(keyUsages), subjectKeyIdentifier(keyIdentifierOf(spki))],
  });
  return signer.certify(tbsCertificate).der;
}

/**
 * Makes an issuing CA with the `issuing` profile: path length 0, leaves for TLS only. Its validity is cut to that of
 * its issuer.
 *
 * @returns DER.
 * @throws Problem `signing-key-unavailable`: the issuer is not a CA, or the key does not belong to it.
 * @throws Problem `csr-rejected`: the certificate would break a rule; nothing was signed.
 */
export function issueCaCertificate(options: CaCertificateOptions): Buffer {
  const { issuer, issuerKey, publicKey, crlUrl, caIssuersUrl } = options;
  requirePair(issuer, issuerKey);
  const { keyUsages, extendedKeyUsages, pathLength } = certificateProfiles.issuing;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const signer = new RehearsedSigner(issuerKey);
  const notBefore = new Date(Math.max(options.notBefore.getTime(), issuer.notBefore.getTime()));
  const notAfter = new Date(Math.min(options.notAfter.getTime(), issuer.notAfter.getTime()));
  const tbsCertificate = encodeTbsCertificate({
    ...validityAndSerial({ ...options, notBefore, notAfter }),
    signatureAlgorithm: signer.algorithmIdentifier,
    issuer: issuer.subject.der,
    subject: encodeSubject(options),
    spki,
    extensions: [
      caConstraints(pathLength),
      keyUsage(keyUsages),
      extendedKeyUsage(extendedKeyUsages),
      authorityKeyIdentifier(issuerKeyIdentifier(issuer)),
      subjectKeyIdentifier(keyIdentifierOf(spki)),
      ...(crlUrl === undefined ? [] : [crlDistributionPoint(crlUrl)]),
      ...(caIssuersUrl === undefined ? [] : [caIssuersAccess(caIssuersUrl)]),
    ],
  });
  return signer.certify(tbsCertificate, issuer).der;
}

/**
 * Certifies a root by another root, so that who trusts only the other one finds a way to it (RFC 7030 §4.1.3). Names and
 * key are those of the certified root, and so are its limits. It ends when the first of both ends. It has no CRL: who
 * withdraws it stops handing it out.
 *
 * @returns DER.
 * @throws Problem `signing-key-unavailable`: the issuer is not a CA, or the key does not belong to it.
 * @throws Problem `csr-rejected`: the certificate would break a rule; nothing was signed.
 */
export function issueCrossCertificate(options: CrossCertificateOptions): Buffer {
  const { subject, issuer, issuerKey, serialNumber } = options;
  requirePair(issuer, issuerKey);
  const signer = new RehearsedSigner(issuerKey);
  const first = Math.max(options.notBefore.getTime(), issuer.notBefore.getTime(), subject.notBefore.getTime());
  const last = Math.min(issuer.notAfter.getTime(), subject.notAfter.getTime());
  const constraints = subject.extensions.find(({ oid }) => oid === oids.nameConstraints);
  const tbsCertificate = encodeTbsCertificate({
    ...validityAndSerial({ notBefore: new Date(first), notAfter: new Date(last), serialNumber }),
    signatureAlgorithm: signer.algorithmIdentifier,
    issuer: issuer.subject.der,
    subject: subject.subject.der,
    spki: subject.spki,
    extensions: [
      caConstraints(subject.pathLength),
      keyUsage(certificateProfiles.root.keyUsages),
      ...(constraints === undefined ? [] : [nameConstraints(constraints.value)]),
      authorityKeyIdentifier(issuerKeyIdentifier(issuer)),
      subjectKeyIdentifier(issuerKeyIdentifier(subject)),
    ],
  });
  return signer.certify(tbsCertificate, issuer).der;
}

function validityAndSerial({
  notBefore,
  notAfter,
  serialNumber = newSerialNumber(),
}: Pick<AuthorityFields, 'notBefore' | 'notAfter' | 'serialNumber'>) {
  return { notBefore, notAfter, serialNumber: encodeSerialNumber(serialNumber) };
}

/**
 * Makes the same self-signed device certificate as thin-edge.io: `CA:TRUE` without a path length, because clouds store
 * it as a trusted CA, and no other extension. It breaks our rules for CAs, so it is not linted.
 *
 * @returns DER.
 * @throws Problem `invalid-request`: a name, date or key that cannot be encoded.
 */
export function selfSignedDeviceCertificate(
  options: DeviceSubject & { readonly privateKey: KeyObject; readonly notBefore: Date; readonly notAfter: Date },
): Buffer {
  const signer = signerFor(options.privateKey);
  const subject = encodeDeviceSubject(options);
  const tbsCertificate = encodeTbsCertificate({
    ...validityAndSerial(options),
    signatureAlgorithm: signer.algorithmIdentifier,
    issuer: subject,
    subject,
    spki: createPublicKey(options.privateKey).export({ type: 'spki', format: 'der' }),
    extensions: [caConstraints()],
  });
  return sequence(tbsCertificate, signer.algorithmIdentifier, bitString(signer.sign(tbsCertificate)));
}
