import { type Certificate, parseCertificate } from '@sallyport/x509';
import type { SignerAuditEntry } from '../audit/signer-audit.js';
import type { AuthorityRecord } from './authority.js';

/** The audit row that follows the signature of a CA certificate. */
export function issuedEvent({ id, certificate }: AuthorityRecord): SignerAuditEntry {
  return signedEvent(id, parseCertificate(Buffer.from(certificate, 'base64')));
}

/** The audit row that follows the signature of one root about another. */
export function crossIssuedEvent(id: string, certificate: Certificate): SignerAuditEntry {
  return signedEvent(id, certificate);
}

function signedEvent(subject: string, { fingerprint, serialNumber, issuer, der }: Certificate): SignerAuditEntry {
  const details = { fingerprint, serialNumber, issuer: issuer.text, certificate: der.toString('base64') };
  return { action: 'authority-issued', actor: 'signer', subject, outcome: 'succeeded', details };
}

/** The audit row of a CA that came from outside. */
export function importedEvent({ id, certificate }: AuthorityRecord, actor: string): SignerAuditEntry {
  return { action: 'authority-imported', actor, subject: id, outcome: 'succeeded', details: { certificate } };
}

/** The audit row of a CA that enters a state. */
export function stateChange({ id, state, withdrawn }: AuthorityRecord, actor: string): SignerAuditEntry {
  const details = withdrawn === undefined ? { state } : { state, withdrawn };
  return { action: 'authority-state-changed', actor, subject: id, outcome: 'succeeded', details };
}
