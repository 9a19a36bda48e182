import type { Certificate, TbsCertificate } from '../certificate.js';

/** A rule that a certificate breaks. */
export interface LintFinding {
  /** Stable name of the rule, such as `serial-number-entropy`. */
  readonly rule: string;
  /**
   * `error`: breaks a SHALL, so we do not sign the certificate. `warning`: breaks a SHOULD, or old tools cannot read
   * it.
   */
  readonly severity: 'error' | 'warning';
  /** Continues a sentence that begins with "the certificate". */
  readonly text: string;
}

/** A rule, with the clause of its standard. */
export interface LintRule {
  readonly rule: string;
  readonly severity: 'error' | 'warning';
  readonly source: string;
  /** The error, as the continuation of "the certificate"; undefined when the certificate keeps the rule. */
  readonly check: (certificate: TbsCertificate, issuer: Certificate | undefined) => string | undefined;
}
