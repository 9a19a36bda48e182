import { Problem } from '@sallyport/protocol';
import type { CertificateProfile } from '@sallyport/x509';
import type { Authority } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';

/** When a leaf is wanted, and the share of its life that must remain when its issuer ends first. */
interface WantedLife extends Pick<CertificateProfile, 'minimumLifeShare'> {
  readonly now: Date;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Refuses to sign with a CA that has ended, or that ends too soon. The remedy names what ends: when the root ends as
 * soon, another CA below it would be no better.
 *
 * @throws Problem `signing-key-unavailable`
 */
export function requireLife(hierarchy: Hierarchy, authority: Authority, wanted: WantedLife): void {
  const ended = hierarchy.endFault(authority, wanted.now);
  if (ended !== undefined) throw new Problem('signing-key-unavailable', `Nothing was signed: ${ended}`);
  const { id, purpose } = authority.record;
  const { notAfter } = authority.certificate;
  const whole = wanted.notAfter.getTime() - wanted.notBefore.getTime();
  const rest = Math.min(notAfter.getTime(), wanted.notAfter.getTime()) - wanted.notBefore.getTime();
  if (rest / whole >= wanted.minimumLifeShare) return;
  const isRootNext = hierarchy.rootOf(authority).certificate.notAfter <= notAfter;
  throw new Problem(
    'signing-key-unavailable',
    `Nothing was signed: the CA "${id}" ends ${notAfter.toISOString()}, too soon for a certificate until ${wanted.notAfter.toISOString()}. ${isRootNext ? 'Its root ends then too: sallyport ca rotate --purpose root.' : `Rotate it: sallyport ca rotate --purpose ${purpose}.`}`,
  );
}
