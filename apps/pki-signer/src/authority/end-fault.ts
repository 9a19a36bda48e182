import type { Authority } from './authority.js';
import type { Hierarchy } from './hierarchy.js';

/**
 * Why a CA can issue nothing any more: its root or itself has ended. Undefined while both are in date.
 *
 * @returns what happened and what to do, for people
 */
export function endFault(hierarchy: Hierarchy, authority: Authority, now: Date): string | undefined {
  const root = hierarchy.rootOf(authority);
  if (root.certificate.notAfter <= now)
    return `The root "${root.record.id}" ended ${root.certificate.notAfter.toISOString()}, so nothing is issued under it. Make its certificate anew with the same key, and import it: sallyport ca import --purpose root FILE. CRLs and CA certificates are still served.`;
  const { record, certificate } = authority;
  if (certificate.notAfter > now) return undefined;
  const remedy =
    root.record.keyName === undefined
      ? `Get the next ${record.purpose} CA signed by its root and import it: sallyport ca import --purpose ${record.purpose} FILE.`
      : 'The signer replaces it by itself within seconds.';
  return `The CA "${record.id}" ended ${certificate.notAfter.toISOString()}. ${remedy}`;
}
