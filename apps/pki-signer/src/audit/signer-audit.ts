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
  | 'certificate-adopted'
  | 'certificate-revoked'
  | 'key-blocked'
  | 'site-recorded'
  | 'site-refounded';

/** A row of the signer before it is in the log. */
export type SignerAuditEntry = AuditEntry<SignerAction>;

/** The signer's audit log; controllers ask for it by its class. */
export type SignerAuditLog = AuditLog<SignerAction>;

/** The line in the log of the service; undefined for most rows. Renewals of a fleet would fill the log. */
export function sentenceOf({ action, details }: AuditEntry): string | undefined {
  if (action === 'certificate-revoked') return 'certificate revoked';
  if (action !== 'certificate-issued' || details['provisioner'] !== 'token') return undefined;
  return details['profile'] === 'device' ? 'device enrolled' : 'certificate enrolled';
}
