import { expiryWarningDays } from '@sallyport/protocol';
import { z } from 'zod';

export const dayMs = 86_400_000;

/** One of the days before an end when the registry warns; 0: it has ended. */
export const warningDays = z.literal(expiryWarningDays);
export type WarningDays = z.infer<typeof warningDays>;

/** The warning that is due: the last of those whose day has come. */
export function warningFor(notAfter: string, now: Date): WarningDays | undefined {
  const left = Date.parse(notAfter) - now.getTime();
  return expiryWarningDays.filter((days) => left < days * dayMs).at(-1);
}
