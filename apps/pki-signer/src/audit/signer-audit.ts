import type { AuditEntry, AuditLog } from '@sallyport/audit';

/** What the signer writes to its audit log. `…-intended` is written before the signature. */
export type SignerAction =
  | 'authority-intended'
  | 'authority-issued'
  | 'authority-imported'
  | 'authority-state-changed'
  | 'authority-exported'
  | 'authority-proved'
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

/** A row of the signer before it is in the log. */
export type SignerAuditEntry = AuditEntry<SignerAction>;

/** The signer's audit log; controllers ask for it by its class. */
export type SignerAuditLog = AuditLog<SignerAction>;
