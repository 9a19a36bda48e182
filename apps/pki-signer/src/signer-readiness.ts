import { Problem } from '@sallyport/protocol';
import type { Clock, Readiness } from '@sallyport/runtime';
import type { Hierarchy } from './authority/hierarchy.js';
import type { EstEntrance } from './est/est-entrance.js';

export interface ReadinessOfSigner {
  readonly hierarchy: Hierarchy;
  readonly est: EstEntrance;
  readonly clock: Clock;
}

/** Adds what the signer depends on to `/readyz`. */
export function addSignerReadiness(readiness: Readiness, { hierarchy, est, clock }: ReadinessOfSigner): void {
  const notOpen = 'is not open: the signer has no certificate to show, and its log says why';
  readiness.add('signing keys', () => missingAuthority(hierarchy));
  readiness.add('site', async () => void (await hierarchy.load()));
  readiness.add('enrolment', () => (est.isOpen ? undefined : notOpen));
  readiness.add('CAs', () => endedAuthority(hierarchy, clock.now()));
}

/** Which CA is missing for the service to do its work; undefined when none is. */
function missingAuthority(hierarchy: Hierarchy): string | undefined {
  try {
    hierarchy.signing('device');
    hierarchy.signing('service');
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.message : String(error);
  }
}

/** Which CA has ended, and what to do; undefined when all that sign are in date. */
function endedAuthority(hierarchy: Hierarchy, now: Date): string | undefined {
  const signing = hierarchy.all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
  const faults = signing.map((authority) => hierarchy.endFault(authority, now));
  return faults.find((fault) => fault !== undefined);
}
