import { createHash } from 'node:crypto';
import { type AuthorityId, authorityId } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { nameKey } from './name.js';

/**
 * The id of a CA. It depends on the key and the name of the CA, not on its certificate: SHA-256 over the name, in the
 * form in which names are compared (RFC 5280 §7.1), a zero byte, and the DER of the SubjectPublicKeyInfo.
 *
 * A new certificate for the same key has the same id, also with other dates, extensions or another encoding of the
 * name.
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

/** Cached, because the id of a CA is needed for each certificate that it issued. */
const knownIds = new WeakMap<object, AuthorityId>();
