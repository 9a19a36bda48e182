import { X509Certificate } from 'node:crypto';
import { needsRenewal } from '@sallyport/identity';
import { connectorRoutes, Problem } from '@sallyport/protocol';
import { readSecurityFiles } from '@sallyport/tls';
import { type Certificate, hasEnded } from '@sallyport/x509';
import { readPemFile } from '../../site/pem-file.js';
import { type Check, error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

const certKey = 'connector.cert_path';
const keyKey = 'connector.key_path';

/** The certificate that the operator gave the connector. Without one it gets its own, and there is nothing to look at. */
export const connectorCertificate: Check = {
  id: 'connector-certificate',
  title: 'certificate of the connector',
  run: async (checked) => {
    const { settings } = checked.site;
    const certPath = settings.get(certKey);
    if (certPath === undefined && settings.get(keyKey) === undefined) return [];
    const fault = await faultOf(checked);
    if (fault !== undefined) return [error(fault, goingBack(checked))];
    const [leaf] = (await readPemFile(certPath ?? '')).certificates;
    if (certPath === undefined || leaf === undefined) return [];
    return [...dateFindings(checked, certPath, leaf), ...(await nameFindings(checked, certPath, leaf))];
  },
};

/** The connector gets a certificate of this site by itself. */
function goingBack({ remedies }: CheckedSite): string {
  return remedies.unset(certKey, keyKey);
}

/** The fault the listener itself would report. */
async function faultOf({ site: { settings } }: CheckedSite): Promise<string | undefined> {
  const keys = { cert: certKey, key: keyKey, ca: '' };
  try {
    await readSecurityFiles({
      certPath: settings.get(certKey),
      keyPath: settings.get(keyKey),
      caPath: undefined,
      keys,
    });
    return undefined;
  } catch (fault) {
    if (fault instanceof Problem) return fault.message;
    throw fault;
  }
}

function dateFindings(checked: CheckedSite, path: string, leaf: Certificate): Finding[] {
  const now = checked.context.now();
  const end = leaf.notAfter.toISOString();
  if (hasEnded(leaf, now)) return [error(`${path} expired ${end}. Devices do not connect.`, goingBack(checked))];
  if (!needsRenewal(leaf, now)) return [];
  return [warning(`${path} expires ${end}. Put a new one there, or use one of this site.`, goingBack(checked))];
}

async function nameFindings(checked: CheckedSite, path: string, leaf: Certificate): Promise<Finding[]> {
  const registry = checked.services.find(({ service }) => service === 'device-registry');
  if (registry?.isRunning !== true) return [];
  const { connectors } = await registry.client.call(connectorRoutes.listConnectors);
  const shown = new X509Certificate(leaf.der);
  const missing = connectors.flatMap(({ domains }) => domains).filter((name) => shown.checkHost(name) === undefined);
  if (missing.length === 0) return [];
  const what = `${path} is not for ${missing.join(', ')}, under which devices connect.`;
  return [error(what, goingBack(checked))];
}
