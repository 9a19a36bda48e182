import type { Certificate, TbsCertificate } from '../certificate.js';
import { extensionRules } from './extension-rules.js';
import { fieldRules } from './field-rules.js';
import type { LintFinding } from './finding.js';
import { nameRules } from './name-rules.js';

const rules = [...fieldRules, ...nameRules, ...extensionRules];

/**
 * Checks a certificate against RFC 5280 and related standards. It checks only the form and verifies no signatures.
 *
 * @param issuer  the certificate of its issuer, for the rules that compare both; without it, these are skipped.
 * @returns every rule it breaks, in a fixed order.
 */
export function lintCertificate(certificate: TbsCertificate, issuer?: Certificate): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const { rule, severity, check } of rules) {
    const text = check(certificate, issuer);
    if (text !== undefined) findings.push({ rule, severity, text });
  }
  return findings;
}
