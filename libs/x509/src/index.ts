export { altNameFault } from './alt-name-rules.js';
export { authorityIdOf } from './authority-id.js';
export { type Certificate, parseCertificate, verifySignedBy } from './certificate.js';
export { type Bundle, importBundle } from './containers/bundle.js';
export { decodeCertsOnly, encodeCertsOnly } from './containers/certs-only.js';
export { isCertificateOf, type KeyBundle } from './containers/key-bundle.js';
export { exportPkcs12 } from './containers/pkcs12-export.js';
export { importPkcs12 } from './containers/pkcs12-import.js';
export { describeCertificate, type ReadableCertificate } from './describe.js';
export type { KeyUsage, Purpose } from './extension-writers.js';
export { type Extension, extensionsLeftToOpenSsl } from './extensions.js';
export type { SubjectAltName } from './general-name.js';
export { identityUri, isOcfIdentity, peerKindOf } from './identity.js';
export {
  type CaCertificateOptions,
  issueCaCertificate,
  issueCrossCertificate,
  issueRootCertificate,
  type RootCertificateOptions,
  selfSignedDeviceCertificate,
} from './issuance/ca-certificates.js';
export { LeafIssuer, type LeafIssuerOptions, type LeafRequest } from './issuance/leaf-issuer.js';
export { nameOnlyCertificate } from './issuance/name-only-certificate.js';
export {
  type AcceptedKey,
  type CertificateProfile,
  certificateProfiles,
  type NameRules,
  validityOf,
} from './issuance/profiles.js';
export type { SignedCertificate } from './issuance/rehearsed-signer.js';
export { newSerialNumber } from './issuance/serial-number.js';
export { checkLeaf, checkNamelessLeaf, type LeafCheck, leafName, purposeFault } from './leaf-check.js';
export type { LintFinding } from './lint/finding.js';
export { lintCertificate } from './lint/lint.js';
export { type Name, type NameAttribute, nameKey } from './name.js';
export { type ConstraintVerdict, constraintVerdict } from './name-constraints.js';
export { certificatesFromPem, derFromPem, type PemLabel, pemFromDer, splitAtCertificates } from './pem.js';
export {
  certificatePemsIn,
  describePemPart,
  describePemParts,
  isCertificate,
  isEncryptedKey,
  isPrivateKey,
  type PemPart,
  pemParts,
} from './pem-contents.js';
export { type KeyDescription, keyText } from './public-key.js';
export { buildCertificateRequest, type RequestOptions } from './request/build.js';
export { type CertificateRequest, parseCertificateRequest, verifyPossession } from './request/certificate-request.js';
export { type CsrAttributesOptions, encodeCsrAttributes } from './request/csr-attributes.js';
export { keyWeakness } from './request/key-quality.js';
export { extensionsLeftOut } from './request/left-out.js';
export { checkCertificateRequest, type LeafIdentity, leafAltNames } from './request/policy.js';
export { buildCrl, CrlBuilder, type CrlFields, type CrlOptions } from './revocation/build-crl.js';
export { type CertificateRevocationList, parseCrl, verifyCrlSignedBy } from './revocation/crl.js';
export type { CrlReason, RevokedEntry } from './revocation/revoked-entry.js';
export { isSelfIssued } from './self-issued.js';
export { isStrongSignature } from './signature.js';
export { endOf, hasBegun, hasEnded, isValidAt } from './validity.js';
