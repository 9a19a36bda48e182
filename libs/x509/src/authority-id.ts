import { createHash } from 'node:crypto';
import { type AuthorityId, authorityId } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { nameKey } from './name.js';

/**
 * What a CA is, whatever certificate it has at the moment: its key and its name. SHA-256 over the name, in the form names
 * are compared in (RFC 5280 §7.1), a zero byte, and the DER of the SubjectPublicKeyInfo.
 *
 * A new certificate for the same key, with other dates, extensions or another encoding of the name, is the same CA.
 */
export function authorityIdOf(certificate: Pick<Certificate, 'subject' | 'spki'>): AuthorityId {
  const known = knownIds.get(certificate);
  if (known !== undefined) return known;
  const { subject, spki } = certificate;
  const digest = createHash('sha256').update(nameKey(subject)).update('\0').update(spki).digest('hex');
  const id = authorityId.parse(`ca:${digest}`);
  knownIds.set(certificate, id);
  return id;
}

/** A CA is asked for with each certificate it issued. */
const knownIds = new WeakMap<object, AuthorityId>();
