import { type AuthorityDescription, signerRoutes } from '@sallyport/protocol';
import { hasEnded } from '@sallyport/x509';
import { type Check, error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { fetchRevocationList } from '../revocation-list.js';

const day = 86_400_000;
// Others have to get the new CA before the old one ends.
const earlyWarningMs = 90 * day;

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
  return [
    ...dateFindings(checked, authority),
    ...(await crlFindings(checked, authority)),
    ...(await addressFindings(checked, authority)),
  ];
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
  const issuer = [...trust.roots, ...trust.issuing].find((certificate) => certificate.fingerprint === fingerprint);
  const { fault } = await fetchRevocationList(url, issuer, context.now());
  if (fault === undefined) return [];
  return [
    error(`The revocation list of ${id} ${fault}.`, remedies.startServices(), {
      needs: ['service pki-signer', 'clock', 'disk'],
    }),
  ];
}

/** A CA keeps for its whole life the address that `pki.public.url` had when it was made. */
async function addressFindings(checked: CheckedSite, authority: AuthorityDescription): Promise<Finding[]> {
  const { trust, remedies, context } = checked;
  const { id, purpose, fingerprint } = authority;
  const certificate = trust.issuing.find((each) => each.fingerprint === fingerprint);
  const [address] = certificate?.crlDistributionPoints ?? [];
  if (address === undefined || !URL.canParse(address)) return [];
  const { fault, isAbsent } = await fetchRevocationList(new URL(address), undefined, context.now());
  if (fault === undefined || !isAbsent) return [];
  return [
    warning(
      `The CA ${id} says that its own revocation list is at ${address}, where nobody answers. Clients that look there refuse its certificates.`,
      remedies.run('ca', 'rotate', '--purpose', purpose),
      { needs: ['service pki-signer'] },
    ),
  ];
}
