import { type DeviceId, nameBeforeAdmission, type PeerKind, Problem, type RefusalReason } from '@sallyport/protocol';
import {
  type Certificate,
  checkLeaf,
  checkNamelessLeaf,
  constraintVerdict,
  hasBegun,
  hasEnded,
  isStrongSignature,
  keyWeakness,
  type LeafCheck,
  leafName,
  nameKey,
  parseCertificate,
  peerKindOf,
  purposeFault,
  verifySignedBy,
} from '@sallyport/x509';
import { isIssuerUnknown, namesakeFault } from './namesake-path.js';
import type { ChainFault } from './openssl.js';
import type { CertificateCredential, OutdatedCredential } from './peer.js';
import { reasonForChainFault } from './refusal-codes.js';
import type { ClientCertificatePolicy } from './settings.js';
import type { IssuerPath, KnownLeaf, TrustStore } from './trust-store.js';

/** What a finished handshake proved. */
export interface HandshakeEvidence {
  readonly isResumed: boolean;
  /** DER of the certificate whose key the client proved to hold. */
  readonly leaf?: Buffer;
  /** DER of what it sent after the leaf, in its order. */
  readonly presented: readonly Buffer[];
  readonly chainFault?: ChainFault;
  /** The host it said it wants (SNI, RFC 6066 §3). */
  readonly serverName?: string;
}

/** A peer whose certificate has passed every check here. The registry has not been asked yet. */
export interface Candidate extends Omit<CertificateCredential, 'kind'> {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
}

export interface PeerRefusal {
  readonly outcome: 'refused';
  readonly reason: RefusalReason;
  /** What exactly, for the log. */
  readonly detail?: string;
  readonly certificate?: Certificate;
}

/** A leaf that has passed every rule of the listener. */
export type JudgedLeaf = Pick<Candidate, 'certificate' | 'deviceId' | 'kind' | 'issuedHere'>;

/**
 * A service's own rule about leaf certificates, asked after all others, so it can only refuse. Asked again when the
 * security settings of the listener change. It answers from the certificate alone, and at once.
 *
 * @returns why the leaf may not pass; undefined when it may.
 */
export type LeafRule = (leaf: JudgedLeaf) => { readonly reason: RefusalReason; readonly detail?: string } | undefined;

export type Judgement =
  | { readonly outcome: 'anonymous' }
  | { readonly outcome: 'candidate'; readonly candidate: Candidate }
  | { readonly outcome: 'outdated'; readonly credential: OutdatedCredential }
  | PeerRefusal;

export interface Rules {
  readonly clientCertificate: ClientCertificatePolicy;
  readonly trust: TrustStore;
  readonly chainCertificates: number;
  readonly permittedKinds?: ReadonlySet<PeerKind> | undefined;
  readonly leafRule?: LeafRule | undefined;
  /** Whether the admission port names the peer, from its certificate, so that its name is not judged here. */
  readonly isNamedLater?: boolean;
  /** See `SecuritySettings.renewableFrom`. */
  readonly renewableFrom?: readonly Certificate[] | undefined;
  readonly now: Date;
}

/**
 * Judges a handshake. OpenSSL has judged the chain; our own checks come on top. What OpenSSL refused is not trusted, with
 * one exception: it does not know CAs that share a name, so we judge the leaves that they signed. A resumed session is
 * refused unread.
 */
export function judge(evidence: HandshakeEvidence, rules: Rules): Judgement {
  if (evidence.isResumed) return refuse('session-reused');
  if (rules.clientCertificate === 'none') return { outcome: 'anonymous' };
  if (evidence.leaf === undefined)
    return rules.clientCertificate === 'optional' ? { outcome: 'anonymous' } : refuse('no-certificate');
  const known = rules.trust.recall(evidence.leaf, evidence.presented);
  const certificate = known?.certificate ?? parsed(evidence.leaf);
  if (!('der' in certificate)) return certificate;
  const outdated = outdatedCredential(certificate, evidence, rules);
  if (outdated !== undefined) return { outcome: 'outdated', credential: outdated };
  if (evidence.chainFault !== undefined)
    return isOfNamesake(certificate, evidence, rules)
      ? judgeByKey(certificate, known, rules)
      : explain(evidence.chainFault, certificate, evidence, rules);
  if (evidence.presented.length >= rules.chainCertificates) return refuse('chain-too-long', { certificate });
  // The remembered path may lead through a CA that has expired since. The client may have sent its successor now.
  const path =
    known !== undefined && expiredIn(known.path, rules) === undefined
      ? known.path
      : rules.trust.findPath(certificate, parsedPresented(evidence.presented, rules));
  return path === undefined ? noPath(certificate, evidence, rules) : judgeLeaf({ certificate, path }, rules);
}

/**
 * A leaf whose only fault is its date, where that is enough to ask for its renewal. OpenSSL keeps the last error only, so
 * an end date hides an unknown issuer: the signature is checked here.
 */
function outdatedCredential(
  certificate: Certificate,
  { chainFault }: HandshakeEvidence,
  { clientCertificate, renewableFrom = [], now }: Rules,
): OutdatedCredential | undefined {
  if (clientCertificate !== 'optional' || renewableFrom.length === 0 || chainFault === undefined) return undefined;
  // OpenSSL counts the second that notAfter names as over.
  if (hasBegun(certificate, now) && now < certificate.notAfter) return undefined;
  const { deviceId } = checkLeaf(certificate);
  const isIssuer = (issuer: Certificate) =>
    nameKey(issuer.subject) === nameKey(certificate.issuer) && verifySignedBy(certificate, issuer);
  return deviceId !== undefined && renewableFrom.some(isIssuer) ? { certificate, deviceId } : undefined;
}

function refuse(reason: RefusalReason, more: Pick<PeerRefusal, 'certificate' | 'detail'> = {}): PeerRefusal {
  return { outcome: 'refused', reason, ...more };
}

function parsed(der: Buffer): Certificate | PeerRefusal {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return refuse('certificate-malformed', { detail: error.message });
  }
}

/** OpenSSL names the fault, but not always the certificate that has it. So we look. */
function explain(
  fault: ChainFault,
  certificate: Certificate,
  { presented }: HandshakeEvidence,
  rules: Rules,
): PeerRefusal {
  const reason = reasonForChainFault(fault);
  const detail = `OpenSSL: ${fault.message}`;
  switch (reason) {
    case 'certificate-expired':
      // OpenSSL counts the second that notAfter names as over already.
      return refuse(certificate.notAfter < rules.now ? reason : 'issuer-expired', { certificate, detail });
    case 'wrong-purpose':
      return refuse(purposeFault(certificate) ?? 'issuer-unfit', { certificate, detail });
    case 'issuer-unknown': {
      const hint =
        presented.length === 0 ? '; if it is an intermediate CA, the client has to send its certificate' : '';
      const below = isBelowNamesake(presented, rules)
        ? ', and the CA above it shares its name with another: only what such a CA signed itself passes. Trust the intermediate CA too'
        : '';
      return refuse(reason, {
        certificate,
        detail: `${detail}; issuer "${certificate.issuer.text}" is not trusted here${hint}${below}`,
      });
    }
    default:
      return refuse(reason, { certificate, detail });
  }
}

function isBelowNamesake(presented: readonly Buffer[], rules: Rules): boolean {
  const { trust } = rules;
  return (
    trust.hasNamesakes &&
    parsedPresented(presented, rules).some(({ issuer }) => trust.namesakesCalled(issuer).length > 0)
  );
}

/** Whether OpenSSL could not find the issuer because CAs that share a name are kept from it. */
function isOfNamesake({ issuer }: Certificate, { chainFault, presented }: HandshakeEvidence, rules: Rules): boolean {
  if (chainFault === undefined || !isIssuerUnknown(chainFault) || presented.length >= rules.chainCertificates)
    return false;
  return rules.trust.namesakesCalled(issuer).length > 0;
}

/** Judges a leaf that says it is from one of several CAs of one name. What else the client sent does not count. */
function judgeByKey(certificate: Certificate, known: KnownLeaf | undefined, rules: Rules): Judgement {
  const path = known?.path ?? rules.trust.findPath(certificate, []);
  if (path === undefined)
    return isStrongSignature(certificate.signatureAlgorithm)
      ? refuse('issuer-unknown', {
          certificate,
          detail: 'CAs of that name are trusted here, but none of them signed it',
        })
      : refuse('weak-signature', { certificate, detail: certificate.signatureAlgorithm });
  const fault = namesakeFault({ certificate, path }, rules.trust, rules.now);
  return fault === undefined ? judgeLeaf({ certificate, path }, rules) : { outcome: 'refused', ...fault, certificate };
}

/** OpenSSL accepts signature algorithms that we do not. Then we find no path, and say which signature is weak. */
function noPath(certificate: Certificate, { presented }: HandshakeEvidence, rules: Rules): PeerRefusal {
  const weak = [certificate, ...parsedPresented(presented, rules)].find(
    ({ signatureAlgorithm }) => !isStrongSignature(signatureAlgorithm),
  );
  if (weak === undefined) return refuse('issuer-unknown', { certificate });
  return refuse('weak-signature', { certificate, detail: `"${weak.subject.text}": ${weak.signatureAlgorithm}` });
}

function expiredIn({ certificates }: IssuerPath, { now }: Rules): Certificate | undefined {
  return certificates.find((certificate) => hasEnded(certificate, now));
}

/** What we refuse in the CAs of a path although OpenSSL accepts it: weak keys, and names a CA may not vouch for. */
export function pathFault({ certificate, path }: KnownLeaf): PeerRefusal | undefined {
  const [name = ''] = certificate.subject.commonNames;
  for (const issuer of path.certificates) {
    if (issuer.spki.equals(certificate.spki))
      return refuse('leaf-is-ca', { certificate, detail: `its key is that of the CA "${issuer.subject.text}"` });
    const weakness = keyWeakness(issuer);
    if (weakness !== undefined)
      return refuse('issuer-weak', { certificate, detail: `"${issuer.subject.text}" ${weakness}` });
    if (constraintVerdict(issuer, name) === 'forbidden')
      return refuse('name-constrained', { certificate, detail: `name constraints of "${issuer.subject.text}"` });
  }
  return undefined;
}

function judgeLeaf({ certificate, path }: KnownLeaf, rules: Rules): Judgement {
  const expired = expiredIn(path, rules);
  if (expired !== undefined) return refuse('issuer-expired', { certificate, detail: expired.subject.text });
  const { fault, deviceId } =
    rules.isNamedLater === true ? checkNameless(certificate, rules) : checkLeaf(certificate, rules);
  if (fault !== undefined) return refuse(fault, { certificate, ...detailOf(fault, certificate) });
  const faultAbove = pathFault({ certificate, path });
  if (faultAbove !== undefined) return faultAbove;
  const issuedHere = rules.trust.isOwn(path);
  // A foreign CA may write any identity URI. Only our own hierarchy makes services and administrators.
  const kind = issuedHere ? peerKindOf(certificate) : 'device';
  if (rules.permittedKinds?.has(kind) === false)
    return refuse('not-permitted', { certificate, detail: `kind "${kind}"` });
  const candidate: Candidate = { certificate, path, deviceId, kind, issuedHere };
  return leafRuleFault(candidate, rules.leafRule) ?? { outcome: 'candidate', candidate };
}

function checkNameless(certificate: Certificate, { now }: Rules): LeafCheck {
  const fault = checkNamelessLeaf(certificate, { now });
  return fault === undefined ? { deviceId: claimedName(certificate) } : { fault };
}

/** What a peer is called until the admission port names it. */
export function claimedName(certificate: Certificate): DeviceId {
  return leafName(certificate).deviceId ?? nameBeforeAdmission(certificate.fingerprint);
}

/** Why the service's own rule refuses a leaf; undefined when it does not. */
export function leafRuleFault(leaf: JudgedLeaf, leafRule: LeafRule | undefined): PeerRefusal | undefined {
  const fault = leafRule?.(leaf);
  return fault === undefined ? undefined : { outcome: 'refused', ...fault, certificate: leaf.certificate };
}

function detailOf(fault: RefusalReason, certificate: Certificate): Pick<PeerRefusal, 'detail'> {
  if (fault === 'weak-key') return { detail: `it ${keyWeakness(certificate)}` };
  return fault === 'certificate-malformed' ? { detail: 'its serial number is 0' } : {};
}

/** Certificates that cannot be parsed are left out; they cannot be part of a path. */
function parsedPresented(presented: readonly Buffer[], { trust }: Pick<Rules, 'trust'>): Certificate[] {
  return presented.map((der) => trust.recallIssuer(der) ?? parsed(der)).filter((certificate) => 'der' in certificate);
}
