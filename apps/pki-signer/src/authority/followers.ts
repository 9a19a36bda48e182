import type { DeviceId, RootSuccession } from '@sallyport/protocol';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Authority } from './authority.js';
import type { Hierarchy } from './hierarchy.js';

/** The certificates that have not ended, in any order. */
export interface LiveCertificates {
  unexpired(): AsyncIterable<Pick<CertificateRecord, 'deviceId' | 'profile' | 'issuedAt' | 'revocation'>>;
}

const mostNames = 100;

/**
 * Who has renewed since the newest root was published: a renewal brings the new root along. Undefined when no root gives
 * way to another one. After a root was stolen: who still needs a certificate below the new one.
 */
export async function rootSuccessionOf(
  hierarchy: Hierarchy,
  certificates: LiveCertificates,
): Promise<RootSuccession | undefined> {
  const root = incomingRoot(hierarchy);
  const publishedAt = root?.record.publishedAt;
  if (root === undefined || publishedAt === undefined) return undefined;
  const newest = await newestOfEach(certificates);
  const late = [...newest].filter(([, issuedAt]) => issuedAt < publishedAt).map(([name]) => name);
  if (late.length === 0 && !isChanging(hierarchy)) return undefined;
  const { id, activatesAt } = root.record;
  return {
    root: id,
    publishedAt,
    ...(activatesAt === undefined ? {} : { activatesAt }),
    followed: newest.size - late.length,
    notFollowed: late.length,
    notFollowedNames: late.toSorted().slice(0, mostNames),
  };
}

/** The newest root that followed another, as long as somebody may know only that other one. */
function incomingRoot(hierarchy: Hierarchy): Authority | undefined {
  const roots = rootsOf(hierarchy);
  if (!isChanging(hierarchy) && !roots.some(({ record }) => record.withdrawn === true)) return undefined;
  return roots
    .filter(({ record }) => record.publishedAt !== undefined)
    .toSorted((one, other) => other.record.generation - one.record.generation)[0];
}

/** Whether two roots are in the trust bundle. */
function isChanging(hierarchy: Hierarchy): boolean {
  return rootsOf(hierarchy).some(({ record }) => record.state === 'published' || record.state === 'retiring');
}

function rootsOf({ all }: Hierarchy): Authority[] {
  return all.filter(({ record }) => record.purpose === 'root');
}

/** For each holder, when its newest certificate was issued. ISO dates in UTC, which sort as text. */
async function newestOfEach(certificates: LiveCertificates): Promise<Map<DeviceId, string>> {
  const newest = new Map<DeviceId, string>();
  for await (const { deviceId, profile, issuedAt, revocation } of certificates.unexpired()) {
    // Certificates of entrances are not asked for over EST, and their holders learn of CAs over the broker.
    if (revocation !== undefined || profile === 'server' || profile === 'hub') continue;
    const known = newest.get(deviceId);
    if (known === undefined || known < issuedAt) newest.set(deviceId, issuedAt);
  }
  return newest;
}
