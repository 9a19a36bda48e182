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
 * way to another one.
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

/** The newest root that followed another, as long as that other one is in the trust bundle. */
function incomingRoot({ all }: Hierarchy): Authority | undefined {
  const roots = all.filter(({ record }) => record.purpose === 'root');
  const isChanging = roots.some(({ record }) => record.state === 'published' || record.state === 'retiring');
  if (!isChanging) return undefined;
  return roots
    .filter(({ record }) => record.publishedAt !== undefined)
    .toSorted((one, other) => other.record.generation - one.record.generation)[0];
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
