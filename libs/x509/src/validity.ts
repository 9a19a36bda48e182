/** The end of a certificate, or of a record about it: in ISO 8601 there. */
interface WithEnd {
  readonly notAfter: Date | string;
}

interface WithStart {
  readonly notBefore: Date | string;
}

/** RFC 5280 §4.1.2.5: the second that `notAfter` names still belongs to the validity. */
const lastSecondMs = 1000;

/** The first moment at which a certificate is no longer valid. */
export function endOf({ notAfter }: WithEnd): Date {
  return new Date(timeOf(notAfter) + lastSecondMs);
}

/** Whether a certificate is no longer valid. */
export function hasEnded({ notAfter }: WithEnd, now: Date): boolean {
  return now.getTime() >= timeOf(notAfter) + lastSecondMs;
}

/** Whether the validity of a certificate has begun. It may also have ended. */
export function hasBegun({ notBefore }: WithStart, now: Date): boolean {
  return now.getTime() >= timeOf(notBefore);
}

/** Whether a certificate has begun and has not ended. */
export function isValidAt(certificate: WithStart & WithEnd, now: Date): boolean {
  return hasBegun(certificate, now) && !hasEnded(certificate, now);
}

function timeOf(moment: Date | string): number {
  return typeof moment === 'string' ? Date.parse(moment) : moment.getTime();
}
