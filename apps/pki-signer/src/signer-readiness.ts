import { Problem } from '@sallyport/protocol';
import type { Clock, Readiness } from '@sallyport/runtime';
import type { Hierarchy } from './authority/hierarchy.js';
import type { EstEntrance } from './est/est-entrance.js';

export interface ReadinessOfSigner {
  readonly hierarchy: Hierarchy;
  /** Where EST is answered. */
  readonly enrolment: readonly EstEntrance[];
  readonly clock: Clock;
}

/** Adds to `/readyz` what the signer depends on. */
export function addSignerReadiness(readiness: Readiness, { hierarchy, enrolment, clock }: ReadinessOfSigner): void {
  const notOpen = 'is not open: the signer has no certificate to show, and its log says why';
  readiness.add('signing keys', () => missingAuthority(hierarchy));
  readiness.add('site', async () => void (await hierarchy.load()));
  readiness.add('enrolment', () => (enrolment.every(({ isOpen }) => isOpen) ? undefined : notOpen));
  readiness.add('CAs', () => endedAuthority(hierarchy, clock.now()));
}

/** Which CA is missing, so that the signer cannot issue; undefined when none is. */
function missingAuthority(hierarchy: Hierarchy): string | undefined {
  try {
    hierarchy.signing('device');
    hierarchy.signing('service');
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.message : String(error);
  }
}

/** Which CA has expired, and what to do; undefined when all that sign are valid. */
function endedAuthority(hierarchy: Hierarchy, now: Date): string | undefined {
  const signing = hierarchy.all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
  const faults = signing.map((authority) => hierarchy.endFault(authority, now));
  return faults.find((fault) => fault !== undefined);
}
