export { adminSocketPath } from './admin-socket.js';
export {
  type AdmissionDecision,
  type AdmissionRequest,
  admissionDecision,
  admissionRequest,
  admitPeer,
  checkEnrolment,
  recordRefusal,
  refusalReason,
} from './admission.js';
export {
  type EnrolmentToken,
  enrolmentSecretAlphabet,
  enrolmentSecretLength,
  enrolmentSecretOf,
  formatEnrolmentToken,
  parseEnrolmentToken,
} from './enrolment-token.js';
export {
  type EntranceDescription,
  type EntranceEnrolRequest,
  type EntranceEnrolResponse,
  type EntranceGroup,
  entranceEnrolRequest,
  entranceEnrolResponse,
  entranceGroup,
  entranceList,
  type HostName,
  hostName,
  readTrustBundle,
} from './entrance-admin.js';
export {
  certificateIssued,
  certificateRevoked,
  type DeviceChange,
  deviceChanged,
  type EventContract,
  type IssuedCertificate,
  type RevokedCertificate,
  trustBundleChanged,
} from './events.js';
export {
  type DeviceId,
  type DeviceState,
  deviceId,
  deviceState,
  type Fingerprint,
  fingerprint,
  type PeerKind,
  peerKind,
  type SecurityLevel,
  type SerialNumber,
  type ServiceName,
  securityLevel,
  serialNumber,
  serviceName,
} from './ids.js';
export { Problem, type ProblemOptions, type ProblemType, problems } from './problems.js';
export { isRefusalReason, type RefusalReason, refusals } from './refusals.js';
export { defineRpc, type RpcContract, serviceTopicRoot } from './rpc.js';
