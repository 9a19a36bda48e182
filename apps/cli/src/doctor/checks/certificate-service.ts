import { readTextIfPresent } from '@sallyport/files';
import { EstClient, trustFromPem } from '@sallyport/identity';
import { entrances, Problem } from '@sallyport/protocol';
import { pemFromDer } from '@sallyport/x509';
import { deviceFiles } from '../../cert/device-files.js';
import { type Check, error, type Finding, related, warning } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';

const timeoutMs = 5_000;

/** Renewals work: the certificate service answers at `pki.url`, and its own certificate is valid. */
export const certificateService: Check = {
  id: 'certificate-service',
  title: 'certificate service',
  run: async (checked) => {
    const { isGateway } = checked;
    // The check of the services tells why the signer of this machine does not answer.
    if (isGateway && !isRunning(checked, 'pki-signer')) return [];
    const rootsPem = isGateway ? siteRoots(checked) : await deviceRoots(checked);
    return rootsPem === ''
      ? []
      : related(await inspect(checked, rootsPem), { needs: ['service pki-signer', 'listener pki', 'clock'] });
  },
};

function siteRoots({ trust }: CheckedSite): string {
  return trust.roots.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
}

async function deviceRoots({ site }: CheckedSite): Promise<string> {
  return (await readTextIfPresent(deviceFiles(site.settings).caPath)) ?? '';
}

async function inspect(checked: CheckedSite, rootsPem: string): Promise<Finding[]> {
  const { site, context } = checked;
  const url = site.settings.require('pki.url');
  try {
    await new EstClient({ url, trust: trustFromPem(rootsPem), timeoutMs, signal: context.signal }).caCertificates();
    return [];
  } catch (fault) {
    if (fault instanceof Problem) return [finding(checked, fault, new URL(url).hostname)];
    throw fault;
  }
}

function finding({ remedies, isGateway, site }: CheckedSite, fault: Problem, host: string): Finding {
  const what = `${fault.message} Nothing can be renewed until then.`;
  const isWrongName = codeOf(fault) === 'ERR_TLS_CERT_ALTNAME_INVALID';
  if (isWrongName && isGateway)
    return error(what, remedies.all(remedies.run('config', 'add', 'pki.hostnames', host), remedies.startServices()));
  if (isGateway) return error(what, remedies.startServices());
  // On a device, only the address can be wrong. The right address is known on the gateway.
  const isGuess = site.settings.source('pki.url') === 'default';
  return warning(
    isGuess ? `pki.url is not set. ${what}` : what,
    remedies.run('config', 'set', 'pki.url', `https://GATEWAY:${entrances.pki.defaultPort}`),
  );
}

function codeOf({ extensions: { code } }: Problem): unknown {
  return code;
}
