import type { SecureContext } from 'node:tls';
import type { RefusalReason, SecurityLevel } from '@sallyport/protocol';
import { pathFault } from './judge.js';
import { buildSecureContext, contextWarnings } from './secure-context.js';
import type { Session, Vouched } from './session.js';
import { type ClientCertificatePolicy, checkComplete, levelOf, type SecuritySettings } from './settings.js';
import { TrustStore } from './trust-store.js';

/** One set of security settings, made ready for use; a reload replaces the whole of it. */
export interface Generation {
  readonly level: SecurityLevel;
  readonly clientCertificate: ClientCertificatePolicy;
  readonly trust: TrustStore;
  /** Absent at level `plain`. */
  readonly context?: SecureContext;
  /** What the operator should know, one sentence each. */
  readonly warnings: readonly string[];
}

/** @throws Problem `config-invalid`: the settings are incomplete, or OpenSSL does not take them. */
export async function makeGeneration(name: string, settings: SecuritySettings): Promise<Generation> {
  checkComplete(name, settings);
  const level = levelOf(settings);
  const trust = new TrustStore(settings.ca ?? { certificates: [], ownIssuers: new Set() });
  if (level === 'plain') return { level, clientCertificate: 'none', trust, warnings: [] };
  const context = await buildSecureContext(settings);
  const { clientCertificate } = settings;
  return { level, clientCertificate, trust, context, warnings: contextWarnings(settings) };
}

/** What becomes of a session that began under former settings. */
export type Verdict =
  | { readonly outcome: 'keep'; readonly vouched?: Vouched }
  | { readonly outcome: 'redirect' }
  | { readonly outcome: 'cut'; readonly reason: RefusalReason };

/**
 * Whether a session would be admitted now. One that lacks what a stricter level asks for may come back over a new
 * connection and show it; one whose certificate is no longer vouched for is cut.
 */
export function reconsider(session: Session, { level, clientCertificate, trust }: Generation): Verdict {
  if (level === 'plain') return { outcome: 'keep' };
  if (!session.isSecure) return { outcome: 'redirect' };
  if (clientCertificate === 'none') return { outcome: 'keep' };
  const { vouched } = session;
  if (vouched === undefined) return { outcome: clientCertificate === 'required' ? 'redirect' : 'keep' };
  const { peer } = vouched;
  const path = trust.trusts(vouched.path) ? vouched.path : trust.findPath(peer.certificate, vouched.path.certificates);
  // A peer of our own hierarchy may have a kind that a foreign CA cannot give: it has to be judged anew.
  if (path === undefined || trust.isOwn(path) !== peer.issuedHere) return { outcome: 'cut', reason: 'issuer-unknown' };
  const fault = pathFault({ certificate: peer.certificate, path });
  if (fault !== undefined) return { outcome: 'cut', reason: fault.reason };
  return { outcome: 'keep', vouched: { peer, path } };
}
