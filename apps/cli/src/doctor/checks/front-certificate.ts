import { isRenewalLate } from '@sallyport/identity';
import { Problem } from '@sallyport/protocol';
import { readSecurityFiles } from '@sallyport/tls';
import { type Certificate, hasEnded } from '@sallyport/x509';
import { readPemFile } from '../../site/pem-file.js';
import { error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** The settings of a certificate with which an operator replaces the one that a service gets by itself. */
export interface FrontCertificateKeys {
  readonly cert: 'connector.cert_path' | 'coap.tls.cert_path';
  readonly key: 'connector.key_path' | 'coap.tls.key_path';
}

/** A certificate of the operator that can be used. */
export interface FrontCertificate {
  readonly path: string;
  readonly leaf: Certificate;
}

/**
 * Looks at the certificate that the operator gave a service. Without one the service gets its own, and there is nothing
 * to look at.
 *
 * @param judge what else devices want of it
 */
export async function frontCertificateFindings(
  checked: CheckedSite,
  keys: FrontCertificateKeys,
  judge: (certificate: FrontCertificate) => Promise<Finding[]> | Finding[],
): Promise<Finding[]> {
  const { settings } = checked.site;
  const path = settings.get(keys.cert);
  if (path === undefined && settings.get(keys.key) === undefined) return [];
  const fault = await faultOf(checked, keys);
  if (fault !== undefined) return [error(fault, goingBack(checked, keys))];
  const [leaf] = (await readPemFile(path ?? '')).certificates;
  if (path === undefined || leaf === undefined) return [];
  return [...dateFindings(checked, keys, { path, leaf }), ...(await judge({ path, leaf }))];
}

/** The command after which the service gets a certificate of this site by itself. */
export function goingBack({ remedies }: CheckedSite, keys: FrontCertificateKeys): string {
  return remedies.unset(keys.cert, keys.key);
}

/** The fault the listener itself would report. */
async function faultOf({ site: { settings } }: CheckedSite, keys: FrontCertificateKeys): Promise<string | undefined> {
  const [certPath, keyPath] = [settings.get(keys.cert), settings.get(keys.key)];
  try {
    await readSecurityFiles({ certPath, keyPath, caPath: undefined, keys: { ...keys, ca: '' } });
    return undefined;
  } catch (fault) {
    if (fault instanceof Problem) return fault.message;
    throw fault;
  }
}

function dateFindings(checked: CheckedSite, keys: FrontCertificateKeys, { path, leaf }: FrontCertificate): Finding[] {
  const now = checked.context.now();
  const end = leaf.notAfter.toISOString();
  const fix = goingBack(checked, keys);
  if (hasEnded(leaf, now)) return [error(`${path} expired ${end}. Devices do not connect.`, fix)];
  if (!isRenewalLate(leaf, now)) return [];
  return [warning(`${path} expires ${end}. Put a new one there, or use one of this site.`, fix)];
}
