import type { Certificate, TbsCertificate } from '../certificate.js';

/** A rule a certificate breaks. */
export interface LintFinding {
  /** Stable name of the rule, such as `serial-number-entropy`. */
  readonly rule: string;
  /** `error`: a SHALL is broken, and we sign no such certificate. `warning`: a SHOULD, or what old tools choke on. */
  readonly severity: 'error' | 'warning';
  /** Continues a sentence that begins with "the certificate". */
  readonly text: string;
}

/** A rule, with the clause that makes it one. */
export interface LintRule {
  readonly rule: string;
  readonly severity: 'error' | 'warning';
  readonly source: string;
  /** What the certificate does wrong, continuing "the certificate"; undefined when it keeps the rule. */
  readonly check: (certificate: TbsCertificate, issuer: Certificate | undefined) => string | undefined;
}
