import type { SecureContext } from 'node:tls';
import type { RefusalReason, SecurityLevel } from '@sallyport/protocol';
import { type LeafRule, leafRuleFault, pathFault } from './judge.js';
import type { ListenerSession } from './listener-session.js';
import type { CertificateCredential, Peer } from './peer.js';
import { buildSecureContext, contextWarnings } from './secure-context.js';
import { type ClientCertificatePolicy, checkComplete, levelOf, type SecuritySettings } from './settings.js';
import { TrustStore } from './trust-store.js';

/** One set of security settings, made ready for use. A reload replaces it as a whole. */
export interface SecurityState {
  readonly level: SecurityLevel;
  readonly clientCertificate: ClientCertificatePolicy;
  readonly trust: TrustStore;
  /** Whether the settings have a list of trusted CAs, even an empty one. */
  readonly namesTrust: boolean;
  /** Absent at level `plain`. */
  readonly context?: SecureContext;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** @throws Problem `config-invalid`: the settings are incomplete, or OpenSSL does not take them. */
export async function prepareSecurity(name: string, settings: SecuritySettings): Promise<SecurityState> {
  checkComplete(name, settings);
  const level = levelOf(settings);
  const trust = new TrustStore(settings.ca ?? { certificates: [], ownIssuers: new Set() });
  const namesTrust = settings.ca !== undefined;
  if (level === 'plain') return { level, clientCertificate: 'none', trust, namesTrust, warnings: [] };
  const context = await buildSecureContext(settings);
  const { clientCertificate } = settings;
  return { level, clientCertificate, trust, namesTrust, context, warnings: contextWarnings(settings) };
}

/** What happens to a session that began under former settings. */
export type SessionReview =
  | { readonly outcome: 'keep'; readonly peer?: Peer }
  | { readonly outcome: 'redirect' }
  | { readonly outcome: 'cut'; readonly reason: RefusalReason };

/**
 * Whether a session would be admitted under the present settings. When a stricter level asks for more, the peer may
 * come back over a new connection and show it. When no trusted CA vouches for its certificate any more, the session is
 * cut.
 */
export function reviewSession(
  session: ListenerSession,
  { level, clientCertificate, trust, namesTrust }: SecurityState,
  leafRule: LeafRule | undefined,
): SessionReview {
  if (level === 'plain') return { outcome: 'keep' };
  if (!session.isSecure) return { outcome: 'redirect' };
  const { peer } = session;
  if (peer?.credential.kind !== 'certificate')
    return { outcome: clientCertificate === 'required' ? 'redirect' : 'keep' };
  // The listener no longer asks for certificates. The peer stays who it is, unless its CA was removed.
  if (clientCertificate === 'none' && !namesTrust) return { outcome: 'keep' };
  return reviewCertificate({ ...peer, credential: peer.credential }, trust, leafRule);
}

function reviewCertificate(
  { deviceId, kind, credential }: Peer & { readonly credential: CertificateCredential },
  trust: TrustStore,
  leafRule: LeafRule | undefined,
): SessionReview {
  const { certificate, issuedHere } = credential;
  const path = trust.trusts(credential.path)
    ? credential.path
    : trust.findPath(certificate, credential.path.certificates);
  // Only our own hierarchy can make services and administrators. So a peer that changed sides must connect again.
  if (path === undefined || trust.isOwn(path) !== issuedHere) return { outcome: 'cut', reason: 'issuer-unknown' };
  const fault =
    pathFault({ certificate, path }) ?? leafRuleFault({ certificate, deviceId, kind, issuedHere }, leafRule);
  if (fault !== undefined) return { outcome: 'cut', reason: fault.reason };
  return { outcome: 'keep', peer: { deviceId, kind, credential: { ...credential, path } } };
}
