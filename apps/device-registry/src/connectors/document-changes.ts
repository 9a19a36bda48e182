import {
  type ClientCa,
  type ClientCaChange,
  type ConnectorDocument,
  type ConnectorSettings,
  type ConnectorSettingsChange,
  clientCa,
  connectorSettings,
} from '@sallyport/protocol';

/** The settings with a change applied: what is left out stays, `null` takes a value away. */
export function changedSettings(before: ConnectorSettings, change: ConnectorSettingsChange): ConnectorSettings {
  const { domains, provisioning, pki, identity, quota, hook, resources } = change;
  return connectorSettings.parse(
    withoutNulls({
      domains: [...new Set(domains ?? before.domains)],
      provisioning: { ...before.provisioning, ...provisioning },
      pki: { ...before.pki, ...pki },
      identity: identity ?? before.identity,
      quota: withoutNulls({ ...before.quota, ...quota }),
      hook: hook === undefined ? before.hook : hook,
      resources: withoutNulls({ ...before.resources, ...resources }),
    }),
  );
}

/** The entry of a Client CA with a change applied, by the same rule. */
export function changedClientCa(before: ClientCa, change: ClientCaChange): ClientCa {
  return clientCa.parse(withoutNulls({ ...before, ...change }));
}

/** A document with one Client CA replaced, or added behind the others. */
export function withClientCa(document: ConnectorDocument, changed: ClientCa): ConnectorDocument {
  const isKnown = document.clientCas.some(({ id }) => id === changed.id);
  const clientCas = isKnown
    ? document.clientCas.map((each) => (each.id === changed.id ? changed : each))
    : [...document.clientCas, changed];
  return { ...document, clientCas };
}

function withoutNulls(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
}
