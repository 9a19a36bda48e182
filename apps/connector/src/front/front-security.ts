import type { SecurityInForce } from '@sallyport/entrance';
import type { ServerIdentity } from '@sallyport/identity';
import type { ConnectorView } from '@sallyport/protocol';
import { type AnchorCandidate, makeTrustAnchors, type Peer } from '@sallyport/tls';
import { type Certificate, parseCertificate } from '@sallyport/x509';

interface FrontParts {
  readonly identity: ServerIdentity;
  readonly connectors: readonly ConnectorView[];
  /** The CAs of this site. */
  readonly site: readonly Certificate[];
  readonly now: Date;
}

/**
 * What the listeners of the connector show, and whom they hear out: the Client CAs of all connectors. Which of them may
 * serve which connector, and whether it may log in at all, the registry decides, with a reason.
 */
export function frontSecurity({ identity, connectors, site, now }: FrontParts): SecurityInForce {
  const acceptsSite = connectors.some(({ settings }) => settings.pki.acceptsSite);
  const own = site.map((certificate) => ({ name: 'CA of this site', certificate }));
  const ownIssuers = new Set(site.map(({ fingerprint }) => fingerprint));
  const candidates = [...(acceptsSite ? own : []), ...connectors.flatMap(clientCasOf)];
  const ca = makeTrustAnchors(candidates, { now, ownIssuers });
  // Without a single CA there is no certificate to accept. Devices with a token still connect.
  const clientCertificate = ca.certificates.length === 0 ? 'none' : 'optional';
  // One CA may be in several connectors. That is no fault, and needs no warning.
  const warnings = ca.warnings.filter((warning) => !/ignored, (the same CA as|listed before)/.test(warning));
  return { level: 'server', security: { ...identity, ca, clientCertificate }, warnings };
}

function clientCasOf({ name, clientCas }: ConnectorView): AnchorCandidate[] {
  return clientCas.flatMap(({ certificates }) =>
    certificates.map((der) => ({
      name: `connector ${name}`,
      certificate: parseCertificate(Buffer.from(der, 'base64')),
    })),
  );
}

/**
 * Whether an open session goes on although logins with its Client CA are blocked: the administrator has chosen to stop new
 * logins, and not to cut.
 */
export function keepsSession({ credential }: Peer, connectors: readonly ConnectorView[]): boolean {
  if (credential.kind !== 'certificate') return false;
  const authorities = new Set<string>(credential.path.authorities);
  const blocked = connectors
    .flatMap(({ clientCas }) => clientCas)
    .filter(({ id, login }) => authorities.has(id) && !login);
  return blocked.length > 0 && blocked.every(({ sessions }) => sessions === 'keep');
}
