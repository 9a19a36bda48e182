/** Why a connection to a cloud failed, by stable slug. */
export type CloudFaultCode =
  | 'settings'
  | 'roots-missing'
  | 'key-missing'
  | 'key-mismatch'
  | 'device-certificate-missing'
  | 'device-certificate-expired'
  | 'device-certificate-not-yet-valid'
  | 'device-certificate-unknown'
  | 'server-untrusted'
  | 'server-name-mismatch'
  | 'server-certificate-expired'
  | 'server-certificate-not-yet-valid'
  | 'server-certificate-unusable'
  | 'name-unknown'
  | 'refused'
  | 'port-blocked'
  | 'unreachable'
  | 'proxy-unreachable'
  | 'proxy-credentials'
  | 'proxy-refused'
  | 'not-tls'
  | 'handshake-too-large'
  | 'handshake-refused'
  | 'not-authorized'
  | 'timeout'
  | 'stopped'
  | 'unknown';

/** A fault in words. Both texts are whole sentences, and hold no secret. */
export interface CloudFault {
  readonly code: CloudFaultCode;
  /** What happened, with the values: host, file, date. */
  readonly what: string;
  /** What to do, with the command where there is one. */
  readonly advice: string;
}
