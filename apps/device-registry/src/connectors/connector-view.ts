import type { ConnectorDocument, ConnectorList, ConnectorView } from '@sallyport/protocol';

/** The version of a connector, as `If-Match` names it. */
export function connectorTag({ version }: ConnectorDocument): string {
  return `"${version}"`;
}

export function summaryOf({
  name,
  version,
  settings,
  clientCas,
}: ConnectorDocument): ConnectorList['connectors'][number] {
  const { domains, provisioning, pki } = settings;
  return { name, version, domains, self: provisioning.self, pki: pki.enabled, clientCas: clientCas.length };
}

/** What listeners need. No quotas and no hook: its URL may hold a secret, and only the registry asks it. */
export function viewOf({ name, settings, clientCas }: ConnectorDocument): ConnectorView {
  const { domains, provisioning, pki, resources } = settings;
  return {
    name,
    settings: { domains, provisioning, pki, resources },
    clientCas: clientCas.map(({ id, provision, login, sessions, existingUntil, certificates }) => ({
      id,
      provision,
      login,
      sessions,
      ...(existingUntil === undefined ? {} : { existingUntil }),
      certificates: certificates.map(({ der }) => der),
    })),
  };
}
