import type { RefusalReason } from '@sallyport/protocol';
import { type Certificate, constraintVerdict, extensionsLeftToOpenSsl, hasBegun, hasEnded } from '@sallyport/x509';
import type { ChainFault } from './openssl.js';
import { unusable } from './trust-anchors.js';
import type { KnownLeaf, TrustStore } from './trust-store.js';

/*
 * Path validation (RFC 5280 §6.1) for the one kind of path that OpenSSL cannot judge: a leaf, and above it a trusted CA
 * that shares its name with a CA of another key. The rules for the leaf are in `judge`, with those for all other leaves.
 * Here are the rest of those that OpenSSL would have checked. What cannot be checked here is refused.
 */

/** A rule that a path breaks. */
export interface PathFault {
  readonly reason: RefusalReason;
  readonly detail: string;
}

/**
 * OpenSSL found nothing wrong but the end of the chain. Every other error it finds replaces these: bad signature, dates,
 * purpose, critical extension. The second comes when the client sent its CA too.
 */
const verdictsOfUnknownIssuer: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
]);

export function isIssuerUnknown({ code }: ChainFault): boolean {
  return verdictsOfUnknownIssuer.has(code);
}

/**
 * Why a leaf may not pass on the word of a CA that OpenSSL does not know.
 *
 * @returns undefined when this CA signed it, and may
 */
export function namesakeFault({ certificate, path }: KnownLeaf, trust: TrustStore, now: Date): PathFault | undefined {
  const [issuer] = path.certificates;
  // A CA may have been issued again with the same key. One certificate that may vouch is enough.
  const issuers = trust.namesakesCalled(issuer.subject).filter(({ spki }) => spki.equals(issuer.spki));
  if (path.certificates.length !== 1 || issuers.length === 0)
    return { reason: 'issuer-unknown', detail: 'no trusted CA signed it itself' };
  const faults = issuers.map((each) => issuerFault(each, now));
  return faults.includes(undefined) ? leafFault(certificate) : faults[0];
}

function issuerFault(issuer: Certificate, now: Date): PathFault | undefined {
  const named = (reason: RefusalReason, text: string): PathFault => ({
    reason,
    detail: `"${issuer.subject.text}" ${text}`,
  });
  if (hasEnded(issuer, now)) return named('issuer-expired', `expired ${issuer.notAfter.toISOString()}`);
  if (!hasBegun(issuer, now))
    return named('certificate-not-yet-valid', `is not valid before ${issuer.notBefore.toISOString()}`);
  const unfit = unusable(issuer, now);
  if (unfit !== undefined) return named('issuer-unfit', unfit);
  if (!mayCertifyClients(issuer)) return named('issuer-unfit', 'may not sign certificates of TLS clients');
  // We know only a part of the rules for names. OpenSSL, which knows them all, was not asked.
  if (constraintVerdict(issuer, '') !== 'unconstrained')
    return named('name-constrained', 'has name constraints, and shares its name with another trusted CA');
  const unknown = [...issuer.unknownCriticalExtensions, ...extensionsLeftToOpenSsl(issuer)];
  return unknown.length === 0 ? undefined : named('issuer-unfit', `has the extension ${unknown[0]}`);
}

function mayCertifyClients({ extendedKeyUsages }: Certificate): boolean {
  return extendedKeyUsages?.some((use) => use === 'clientAuth' || use === 'anyExtendedKeyUsage') ?? true;
}

function leafFault(leaf: Certificate): PathFault | undefined {
  const [unjudged] = extensionsLeftToOpenSsl(leaf);
  return unjudged === undefined ? undefined : { reason: 'chain-invalid', detail: `it has the extension ${unjudged}` };
}
