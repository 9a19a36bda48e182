import { type Certificate, type CertificateDescription, describeCertificate } from '@sallyport/x509';
import type { CliContext } from '../cli-context.js';
import { labelledLines, writeJson, writeLines } from '../output.js';

export interface SummaryOptions {
  readonly json: boolean;
  /** Seconds before its end from which a certificate counts as expiring soon. */
  readonly minimumSeconds: number;
}

/** Prints what `cert show` prints. */
export function writeCertificateSummary(
  context: CliContext,
  path: string,
  certificate: Certificate,
  { json, minimumSeconds }: SummaryOptions,
): void {
  const description = describeCertificate(certificate, context.now(), minimumSeconds);
  if (json) writeJson(context, { certificate: path, ...description, fingerprint: certificate.fingerprint });
  else writeLines(context, summaryLines(path, description));
}

function summaryLines(path: string, description: CertificateDescription): string[] {
  const { decimal, hex } = description.serialNumber;
  return labelledLines([
    ['Certificate', path],
    ['Subject', description.subject],
    ['Issuer', description.issuer],
    ['Status', statusText(description)],
    ['Valid from', mailDate(description.validFrom)],
    ['Valid until', mailDate(description.validUntil)],
    ['Serial number', `${decimal} (0x${hex})`],
    ['Thumbprint', description.thumbprint],
  ]);
}

function statusText({ status, statusSeconds }: CertificateDescription): string {
  const duration = durationText(statusSeconds);
  switch (status) {
    case 'valid':
      return `VALID (expires in: ${duration})`;
    case 'expires-soon':
      return `EXPIRES SOON (expires in: ${duration})`;
    case 'expired':
      return `EXPIRED (since: ${duration})`;
    case 'not-yet-valid':
      return `NOT VALID YET (valid in: ${duration})`;
    default:
      return status satisfies never;
  }
}

const units = [
  ['y', 365 * 86_400],
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** `89d 23h 59m 55s`; the parts that are zero are left out. */
function durationText(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}

/** RFC 2822 §3.3. */
function mailDate(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}
