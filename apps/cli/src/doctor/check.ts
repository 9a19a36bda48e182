import type { CheckedSite } from './checked-site.js';

/** Something that is wrong, and the command that repairs it. */
export interface Finding {
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
export function error(what: string, fix: string): Finding {
  return { severity: 'error', what, fix };
}

/** A finding of severity `warning`. */
export function warning(what: string, fix: string): Finding {
  return { severity: 'warning', what, fix };
}

/** A finding of severity `note`. */
export function note(what: string, fix: string): Finding {
  return { severity: 'note', what, fix };
}
