import type { AuditEntry, AuditLog } from '@sallyport/audit';

/** What the signer writes down. `…-intended` precedes the signature it announces. */
type SignerAction =
  | 'authority-intended'
  | 'authority-issued'
  | 'authority-imported'
  | 'authority-state-changed'
  | 'authority-exported'
  | 'enrolment-created'
  | 'enrolment-withdrawn'
  | 'enrolment-guessed'
  | 'certificate-intended'
  | 'certificate-issued'
  | 'request-refused'
  | 'certificate-revoked'
  | 'key-blocked'
  | 'site-recorded'
  | 'site-refounded';

/** What happened in the signer, before it has its place in the log. */
export type SignerAuditEntry = AuditEntry<SignerAction>;

/** The signer's audit log; controllers ask for it by its class. */
export type SignerAuditLog = AuditLog<SignerAction>;
