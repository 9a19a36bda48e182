export { type Connection, type Destination, outdatedCredentialOf, peerOf } from './connection.js';
export type { HttpHandler, UpgradeHandler } from './http-protocol.js';
export type { JudgedLeaf, LeafRule } from './judge.js';
export type { Limits } from './limits.js';
export type { ListenerCounts, ListenerEvent } from './listener-counters.js';
export type {
  HttpListenerHandler,
  HttpStreamListenerHandler,
  ListenerEvents,
  ListenerHandler,
  RefusalEvent,
  SecureListenerOptions,
  StreamListenerHandler,
} from './listener-options.js';
export type { SessionInfo } from './listener-session.js';
export { networkOf } from './network-of.js';
export { type HalfPair, type Pair, pairOf } from './pair.js';
export type {
  AdmissionPort,
  CertificateCredential,
  OutdatedCredential,
  Peer,
  TokenClaim,
  TokenCredential,
} from './peer.js';
export { readSecurityFiles, type SecurityFilePaths, type SecurityFiles } from './read-security-files.js';
export { readTrustAnchors } from './read-trust-anchors.js';
export { SecureListener } from './secure-listener.js';
export type { ClientCertificatePolicy, SecuritySettings } from './settings.js';
export { type AnchorCandidate, makeTrustAnchors, type TrustAnchorOptions, type TrustAnchors } from './trust-anchors.js';
