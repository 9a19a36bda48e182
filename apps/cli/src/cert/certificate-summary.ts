import type { Settings } from '@sallyport/config';
import { type Certificate, describeCertificate, type ReadableCertificate } from '@sallyport/x509';
import type { CliContext } from '../cli-context.js';
import { labelledLines, writeJson, writeLines } from '../output.js';

/** A certificate where it lies. */
export interface CertificateAt {
  readonly path: string;
  readonly certificate: Certificate;
}

/** Prints what `cert show` prints. */
export function writeCertificateSummary(
  context: CliContext,
  { path, certificate }: CertificateAt,
  { json, settings }: { readonly json: boolean; readonly settings: Settings },
): void {
  const description = describeCertificate(certificate, context.now(), minimumSecondsFor(certificate, settings));
  if (json) writeJson(context, { certificate: path, ...description, fingerprint: certificate.fingerprint });
  else writeLines(context, summaryLines({ path, certificate }, description));
}

/**
 * How much life must be left: what the settings say, as in thin-edge.io. Where they say nothing, 30 days, but never more
 * than the last third: a certificate would need renewal from its first moment, and a new one would be no better.
 */
export function minimumSecondsFor({ notBefore, notAfter }: Certificate, settings: Settings): number {
  const minimumSeconds = settings.require('certificate.validity.minimum_duration');
  const lifeSeconds = (notAfter.getTime() - notBefore.getTime()) / 1000;
  const isWish = settings.source('certificate.validity.minimum_duration') !== 'default';
  return isWish ? minimumSeconds : Math.min(minimumSeconds, lifeSeconds / 3);
}

function summaryLines({ path, certificate }: CertificateAt, description: ReadableCertificate): string[] {
  const { decimal, hex } = description.serialNumber;
  return labelledLines([
    ['Certificate', path],
    ['Subject', certificate.subject.textInOrder],
    ['Issuer', certificate.issuer.textInOrder],
    ['Status', statusText(description)],
    ['Valid from', mailDate(description.validFrom)],
    ['Valid until', mailDate(description.validUntil)],
    ['Serial number', `${decimal} (0x${hex})`],
    ['Thumbprint', description.thumbprint],
  ]);
}

/** `VALID (expires in: 89d 23h 59m 55s)`. */
export function statusText({ status, statusSeconds }: Pick<ReadableCertificate, 'status' | 'statusSeconds'>): string {
  const duration = durationText(statusSeconds);
  switch (status) {
    case 'valid':
      return `VALID (expires in: ${duration})`;
    case 'expires-soon':
      return `EXPIRES SOON (expires in: ${duration})`;
    case 'expired':
      return `EXPIRED (since: ${duration})`;
    case 'not-yet-valid':
      return `NOT VALID YET (will be in: ${duration})`;
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
