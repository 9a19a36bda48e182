import { get } from 'node:http';
import { type AuthorityDescription, Problem, signerRoutes } from '@sallyport/protocol';
import { type Certificate, hasEnded, parseCrl, verifyCrlSignedBy } from '@sallyport/x509';
import { type Check, error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

const day = 86_400_000;
// Others have to get the new CA before the old one ends.
const earlyWarningMs = 90 * day;
const deadlineMs = 5_000;
const largestCrlBytes = 64 * 1024 * 1024;

/** The CAs of the site are valid for long enough, and their revocation lists are current. */
export const authorities: Check = {
  id: 'authorities',
  title: 'CAs and revocation lists',
  run: async (checked) => {
    const active = (await authoritiesOf(checked)).filter(({ state, hasKey }) => state === 'active' && hasKey);
    const findings = await Promise.all(active.map((authority) => inspect(checked, authority)));
    return findings.flat();
  },
};

async function authoritiesOf({ services }: CheckedSite): Promise<readonly AuthorityDescription[]> {
  const signer = services.find(({ service }) => service === 'pki-signer');
  return signer?.isRunning === true ? (await signer.client.call(signerRoutes.showHierarchy)).authorities : [];
}

async function inspect(checked: CheckedSite, authority: AuthorityDescription): Promise<Finding[]> {
  return [...dateFindings(checked, authority), ...(await crlFindings(checked, authority))];
}

function dateFindings({ context, remedies }: CheckedSite, { id, purpose, notAfter }: AuthorityDescription): Finding[] {
  const now = context.now();
  if (Date.parse(notAfter) - now.getTime() > earlyWarningMs) return [];
  const remedy =
    purpose === 'root'
      ? remedies.run('ca', 'import', '--purpose', 'root', 'FILE')
      : remedies.run('ca', 'rotate', '--purpose', purpose);
  if (hasEnded({ notAfter }, now)) return [error(`The CA ${id} ended ${notAfter}.`, remedy)];
  return [warning(`The CA ${id} ends ${notAfter}.`, remedy)];
}

async function crlFindings(checked: CheckedSite, { id, keyId, fingerprint }: AuthorityDescription): Promise<Finding[]> {
  const { site, remedies, trust, context } = checked;
  const url = new URL(`/crl/${keyId}.crl`, site.settings.require('pki.public.url'));
  const der = await download(url);
  if (der === undefined)
    return [error(`The revocation list of ${id} cannot be fetched from ${url.href}.`, remedies.startServices())];
  const issuer = [...trust.roots, ...trust.issuing].find((certificate) => certificate.fingerprint === fingerprint);
  const fault = crlFault(der, issuer, context.now());
  return fault === undefined ? [] : [error(`The revocation list of ${id} ${fault}.`, remedies.startServices())];
}

function crlFault(der: Buffer, issuer: Certificate | undefined, now: Date): string | undefined {
  const crl = crlIn(der);
  if (crl === undefined) return 'cannot be read';
  if (issuer !== undefined && !verifyCrlSignedBy(crl, issuer)) return 'is not signed by that CA';
  if (crl.nextUpdate !== undefined && crl.nextUpdate < now) return `is stale since ${crl.nextUpdate.toISOString()}`;
  return undefined;
}

function crlIn(der: Buffer): ReturnType<typeof parseCrl> | undefined {
  try {
    return parseCrl(der);
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}

function download(url: URL): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const outgoing = get(url, { agent: false, signal: AbortSignal.timeout(deadlineMs) }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > largestCrlBytes) outgoing.destroy();
        else chunks.push(chunk);
      });
      answer.once('end', () => resolve(answer.statusCode === 200 ? Buffer.concat(chunks) : undefined));
      answer.on('error', () => resolve(undefined));
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.once('close', () => resolve(undefined));
  });
}
