import type { ServiceName } from '@sallyport/protocol';
import type { CheckedSite } from './checked-site.js';

/** A part of the site that others need. A fault of it explains theirs. */
export type Part =
  | 'disk'
  | 'clock'
  | 'start'
  | 'store'
  | 'broker'
  | 'list'
  | 'root'
  | `client ${string}`
  | `listener ${string}`
  | `service ${ServiceName}`;

/** How findings belong together, so that one cause is told once. */
export interface Relations {
  /** Parts that do not work because of this finding. */
  readonly breaks?: readonly Part[];
  /** Parts whose fault would explain this finding. */
  readonly needs?: readonly Part[];
}

/** Something that is wrong, and the command that repairs it. */
export interface Finding extends Relations {
  /**
   * `error`: something does not work. `warning`: it will stop working, or is less safe than it should be. `note`: a choice
   * that costs something; the site is healthy with it.
   */
  readonly severity: 'error' | 'warning' | 'note';
  readonly what: string;
  /** A command line, ready to be run. */
  readonly fix: string;
}

/** One question the doctor asks. */
export interface Check {
  readonly id: string;
  /** What is looked at, in words. */
  readonly title: string;
  run(checked: CheckedSite): Promise<Finding[]>;
}

/** A finding of severity `error`. */
export function error(what: string, fix: string, relations: Relations = {}): Finding {
  return { severity: 'error', what, fix, ...relations };
}

/** A finding of severity `warning`. */
export function warning(what: string, fix: string, relations: Relations = {}): Finding {
  return { severity: 'warning', what, fix, ...relations };
}

/** A finding of severity `note`. */
export function note(what: string, fix: string): Finding {
  return { severity: 'note', what, fix };
}

/** The same findings, with their relations to others. */
export function related(findings: readonly Finding[], relations: Relations): Finding[] {
  return findings.map((finding) => ({ ...finding, ...relations }));
}
