export { isNextQuestionTooLate, rhythmPathOf } from './asking-rhythm.js';
export {
  type CertificateFiles,
  type Identity,
  pemOf,
  readIdentity,
  recoverIdentity,
  replaceCertificate,
  replacePair,
  replaceRoots,
} from './certificate-files.js';
export { connectionProblem, type FailedExchange } from './connection-problem.js';
export { type EnrolOptions, enrolIdentity } from './enrol.js';
export { type EnrolRequestOptions, enrolRequest } from './enrol-request.js';
export { EstClient, type EstClientOptions, type EstTrust, trustFromPem } from './est-client.js';
export { type LocalIdentityName, localIdentityFiles } from './local-identity-files.js';
export {
  ensurePrivateKey,
  newPrivateKey,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyDer,
} from './private-key.js';
export {
  type RenewedIdentity,
  type RenewOptions,
  renewIdentity,
  requestRenewal,
  requestRenewalThrough,
} from './renew.js';
export { isRenewalLate, needsRenewal } from './renewal-due.js';
export { RenewalSchedule, type RenewalScheduleOptions, renewalBackOffMs } from './renewal-schedule.js';
export { ServerCertificate, type ServerCertificateOptions, type ServerIdentity } from './server-certificate.js';
export { type LeftOutName, leftOutName, serverNames } from './server-names.js';
export { readSigningRequest } from './signing-request.js';
export { readSiteMarker, siteMarkerPath, writeSiteMarker, writeSiteMarkerOnce } from './site-marker.js';
