import { X509Certificate } from 'node:crypto';
import { connectorRoutes } from '@sallyport/protocol';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { type FrontCertificate, frontCertificateFindings, goingBack } from './front-certificate.js';

const keys = { cert: 'connector.cert_path', key: 'connector.key_path' } as const;

/** The certificate that the operator gave the connector. */
export const connectorCertificate: Check = {
  id: 'connector-certificate',
  title: 'certificate of the connector',
  run: (checked) => frontCertificateFindings(checked, keys, (certificate) => nameFindings(checked, certificate)),
};

async function nameFindings(checked: CheckedSite, { path, leaf }: FrontCertificate): Promise<Finding[]> {
  const registry = checked.services.find(({ service }) => service === 'device-registry');
  if (registry?.isRunning !== true) return [];
  const { connectors } = await registry.client.call(connectorRoutes.listConnectors);
  const shown = new X509Certificate(leaf.der);
  const missing = connectors.flatMap(({ domains }) => domains).filter((name) => shown.checkHost(name) === undefined);
  if (missing.length === 0) return [];
  const what = `${path} is not for ${missing.join(', ')}, under which devices connect.`;
  return [error(what, goingBack(checked, keys))];
}
