import { certificateOf, checkIdentity, constraintFault, identityOf, type NamedDevice } from '@sallyport/client-ca';
import type { ConnectorDocument, DeviceId } from '@sallyport/protocol';
import { type Certificate, leafName } from '@sallyport/x509';
import type { AcceptedIssuer } from './accepted-issuer.js';
import { Refusal } from './refusal.js';

/**
 * The identity of a device: from its certificate, by the naming of its Client CA and the format of the connector. A
 * certificate of this site names its device by its CN, as at every other entrance, and the format is not applied.
 *
 * @throws Refusal `name-missing`, `name-ambiguous`, `name-invalid`, `name-constrained`, `identity-format`,
 *   `identity-outside-namespace`
 */
export function requireIdentity(leaf: Certificate, issuer: AcceptedIssuer, { settings }: ConnectorDocument): DeviceId {
  if (issuer.kind === 'site') {
    const name = leafName(leaf);
    if (name.fault !== undefined) throw new Refusal(name.fault);
    return name.deviceId;
  }
  const { clientCa } = issuer;
  const identity = accepted(identityOf(leaf, { clientCa, format: settings.identity }));
  const constrained = constraintFault(identity, clientCa.certificates.map(certificateOf));
  if (constrained !== undefined) accepted(constrained);
  return identity;
}

/**
 * The identity that a device gives itself, in the form the connector keeps.
 *
 * @throws Refusal `name-invalid`, `identity-format`
 */
export function requireGivenIdentity(given: string, { settings }: ConnectorDocument): DeviceId {
  return accepted(checkIdentity(given, { clientCa: { naming: { by: 'cn' } }, format: settings.identity }));
}

function accepted(named: NamedDevice): DeviceId {
  if (named.fault !== undefined) throw new Refusal(named.fault);
  return named.identity;
}
