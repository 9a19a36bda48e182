import { dirname, join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { readTrustAnchors } from '@sallyport/tls';
import type { Certificate } from '@sallyport/x509';
import { readPemFile } from '../../site/pem-file.js';
import { type SecuredGroup, securedGroups } from '../../site/secured-group.js';
import { type Check, error, type Finding, related, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { authoritiesOf } from './authorities.js';

// Leave the directories of the system alone.
const systemFolders = ['/etc/ssl/', '/usr/', '/etc/pki/', '/etc/ca-certificates'];

/** The CAs whose clients a listener lets in: every entry can be used, and the CA of this site is one of them. */
export const trustedCas: Check = {
  id: 'trusted-cas',
  title: 'trusted CAs of the listeners',
  run: async (checked) => {
    const findings = await Promise.all(securedGroups.map((secured) => inspect(checked, secured)));
    return findings.flat();
  },
};

async function inspect(checked: CheckedSite, { group, keys }: SecuredGroup): Promise<Finding[]> {
  const key = keys.ca;
  const path = checked.site.settings.get(key);
  if (path === undefined) return [];
  try {
    const { roots, issuing } = checked.trust;
    const ownIssuers = new Set([...roots, ...issuing].map(({ fingerprint }) => fingerprint));
    const { certificates, warnings } = await readTrustAnchors(path, { now: checked.context.now(), ownIssuers });
    const known = new Set(certificates.map(({ fingerprint }) => fingerprint));
    const missing = checked.trust.roots.filter(({ fingerprint }) => !known.has(fingerprint));
    // While the root of the site changes, there are two, and devices of either are to be let in.
    const isPartly = missing.length < checked.trust.roots.length;
    const told = await Promise.all(
      isPartly
        ? missing.map((root) => rootMissing(checked, { key, path, root }))
        : [related([await siteMissing(checked, key, path)], { breaks: [`listener ${group}`] })],
    );
    return [
      ...(missing.length === 0 ? [] : told.flat()),
      ...related(
        await Promise.all(ownWarnings(checked, path, warnings).map((text) => passedOver(checked, { key, path, text }))),
        {
          needs: ['clock'],
        },
      ),
    ];
  } catch (fault) {
    // When none can be used, the check of the listener files tells it.
    if (fault instanceof Problem) return [];
    throw fault;
  }
}

/** What a person can mend: neither the certificates of the system, nor the file that a service itself keeps up to date. */
function ownWarnings({ site }: CheckedSite, path: string, warnings: readonly string[]): readonly string[] {
  if (systemFolders.some((folder) => path.startsWith(folder))) return [];
  const isKept = path.startsWith(`${site.settings.stateDirectory}/`);
  return isKept ? warnings.filter((warning) => !warning.startsWith('site.pem')) : warnings;
}

async function siteMissing({ remedies, level }: CheckedSite, key: string, path: string): Promise<Finding> {
  const { state } = await readPemFile(path);
  const what = `${key} (${path}) does not hold the CA of this site, so no device enrolled here is let in.`;
  const add = remedies.run('ca', 'export', '--output', join(path, 'sallyport-ca.pem'));
  const mend = state === 'directory' ? add : remedies.unset(key);
  return error(what, remedies.all(mend, remedies.secure(level)));
}

/** Adds this root only: another copy of what is there would be one more thing to mend, and other CAs may be there too. */
async function rootMissing(
  checked: CheckedSite,
  { key, path, root }: { key: string; path: string; root: Certificate },
): Promise<Finding[]> {
  const { remedies } = checked;
  const { state } = await readPemFile(path);
  const what = `${key} (${path}) does not hold the root ${root.subject.text} of this site, so devices with a certificate below it are refused.`;
  const all = await authoritiesOf(checked);
  const { id } = all.find(({ fingerprint }) => fingerprint === root.fingerprint) ?? { id: 'ROOT' };
  const isFolder = state === 'directory';
  const file = isFolder ? join(path, `${id}.pem`) : `${path}.${id}`;
  const write = remedies.run('ca', 'export', id, '--output', file);
  return [warning(what, isFolder ? write : remedies.all(write, remedies.append(file, path)))];
}

async function passedOver(
  { remedies }: CheckedSite,
  { key, path, text }: { key: string; path: string; text: string },
): Promise<Finding> {
  const [, name = '', reason = text] = /^(.*?)(?: \(certificate \d+\))?: (.*)$/.exec(text) ?? [];
  const { state } = await readPemFile(path);
  if (state !== 'directory') return warning(`${key}: ${text}`, remedies.run('ca', 'export', '--output', path));
  const entry = join(path, name);
  // Move it, do not delete it: it may be the only copy of a key.
  return warning(`${key}: ${entry}: ${reason}`, remedies.move(entry, dirname(path)));
}
