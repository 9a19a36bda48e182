export { dateFindings } from './ca-findings.js';
export {
  type AcceptedCa,
  acceptClientCa,
  areNamesakes,
  certificateOf,
} from './client-ca-certificate.js';
export { type CrlPlace, type CrlState, type CrlVerdict, checkCrl, crlVerdict } from './client-ca-crl.js';
export { decode } from './decode.js';
export {
  checkIdentity,
  checkNaming,
  constraintFault,
  type IdentityFault,
  type IdentityRules,
  identityOf,
  type NamedDevice,
  proofNamePrefix,
} from './identity.js';
export { type FormattedIdentity, formatIdentity } from './identity-format.js';
export { certificatesIn, type PastedItem, type PastedItems, readPasted } from './pasted.js';
export { checkPossession, proofCommands, proofName } from './possession.js';
export { type FoundClientCa, findClientCa, previewIdentity } from './preview.js';
