import { type CoapProvider, parseCoapProviders, quoted, readRulesFile } from '@sallyport/config';
import { readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { reasonOf } from '@sallyport/runtime';
import { type Check, error, type Finding } from '../check.js';

const key = 'coap.authorization.providers_path';
const deadlineMs = 5_000;

/** The providers of OpenID Connect that devices of OCF bring codes from. */
export const coapProviders: Check = {
  id: 'coap-providers',
  title: 'OpenID Connect providers of the CoAP gateway',
  async run({ site }) {
    const path = site.settings.get(key);
    if (path === undefined) return [];
    try {
      const providers = await readRulesFile({ key, path, parse: parseCoapProviders });
      return (await Promise.all(providers.map((provider) => findingsOf(provider, path)))).flat();
    } catch (fault) {
      if (fault instanceof Problem) return [error(fault.message, edit(path))];
      throw fault;
    }
  },
};

async function findingsOf(provider: CoapProvider, path: string): Promise<Finding[]> {
  const { name, client_secret_path: secretPath } = provider;
  const secret = await readOperatorFile(secretPath);
  const findings: Finding[] = [];
  if (secret.state !== 'file')
    findings.push(
      error(
        `client_secret_path of provider "${name}" is ${secretPath}, which ${secret.fault}. No device that names it can sign up. Write the secret of the client into it.`,
        edit(secretPath),
      ),
    );
  const fault = await faultOf(provider);
  if (fault !== undefined)
    findings.push(
      error(
        `Provider "${name}" does not describe itself at ${fault}. No device that names it can sign up. Start the provider, or correct issuer in ${path}.`,
        edit(path),
      ),
    );
  return findings;
}

/** Where the provider was asked, and what is wrong; undefined when it answers. */
async function faultOf({ issuer }: CoapProvider): Promise<string | undefined> {
  // OpenID Connect Discovery 1.0 §4: below the issuer, without its last "/".
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const { status, body } = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(deadlineMs) });
    await body?.cancel();
    return status === 200 ? undefined : `${url}: status ${status}`;
  } catch (fault) {
    return `${url}: ${reasonOf(fault)}`;
  }
}

function edit(path: string): string {
  return `\${EDITOR:-vi} ${quoted(path)}`;
}
