import { parseCertificate } from '@sallyport/x509';
import type { SiteMembership } from '../site/site-membership.js';
import { issuedEvent } from './authority-audit.js';
import type { AuthorityMaker } from './authority-maker.js';
import type { Hierarchy } from './hierarchy.js';

/**
 * Makes root, device CA and service CA when there is no hierarchy yet. `site` has checked before that there never was
 * one; its record is stored in the same transaction. If the process is killed at any point, the next start finishes the
 * work: keys are on disk before certificates, and all certificates are stored in one transaction.
 */
export async function foundHierarchy(
  hierarchy: Hierarchy,
  maker: AuthorityMaker,
  site: Pick<SiteMembership, 'record' | 'entries'>,
): Promise<void> {
  if (hierarchy.isFounded) return;
  const basedOn = hierarchy.revision;
  const root = await maker.makeRoot(1);
  const issuer = { keyName: root.keyName, certificate: parseCertificate(Buffer.from(root.certificate, 'base64')) };
  const records = [root, await maker.makeIssuing('device', 1, issuer), await maker.makeIssuing('service', 1, issuer)];
  // If another replica was faster, its hierarchy is loaded now. Nobody ever saw ours.
  const entries = [...site.entries, ...records.map(issuedEvent)];
  await hierarchy.apply({ basedOn, records, entries, operations: [site.record] });
}
