import { readTextIfPresent, writeFileAtomic } from '@sallyport/files';
import type { Certificate } from '@sallyport/x509';
import { z } from 'zod';

/** When somebody asked last whether a certificate needs renewal, and the longest time between two questions. */
const rhythm = z.object({ askedAt: z.iso.datetime(), longestGapSeconds: z.number().nonnegative() });

/** Time for a question that comes late. */
const lateness = 1.25;
// A device that sleeps for longer than this can keep no certificate, and a clock that was set must not have every new
// certificate renewed.
const longestShare = 0.7;
// One long sleep is forgotten with time. Questions that follow each other closely, as after a failed renewal, are none
// of the rhythm.
const [decay, shortestGapSeconds] = [0.9, 3_600];

/**
 * Remembers, in a file beside the certificate, that somebody asked now. A device may wake every few weeks only: if it
 * asks again after as long as before, the certificate would have ended.
 *
 * @returns whether the next question would come too late
 */
export async function isNextQuestionTooLate(certPath: string, certificate: Certificate, now: Date): Promise<boolean> {
  const path = rhythmPathOf(certPath);
  const lifeMs = certificate.notAfter.getTime() - certificate.notBefore.getTime();
  const known = await rememberedAt(path);
  // Without a question before this one: since the certificate was issued.
  const lastMs = known === undefined ? certificate.notBefore.getTime() : Date.parse(known.askedAt);
  const gapSeconds = Math.max(0, (now.getTime() - lastMs) / 1000);
  const formerSeconds = (known?.longestGapSeconds ?? 0) * (gapSeconds < shortestGapSeconds ? 1 : decay);
  const longestGapSeconds = Math.min(Math.max(gapSeconds, formerSeconds), (lifeMs / 1000) * longestShare);
  await remember(path, { askedAt: now.toISOString(), longestGapSeconds });
  return now.getTime() + longestGapSeconds * 1000 * lateness >= certificate.notAfter.getTime();
}

/** Where it is remembered. */
export function rhythmPathOf(certPath: string): string {
  return `${certPath}.asked`;
}

async function rememberedAt(path: string): Promise<z.infer<typeof rhythm> | undefined> {
  try {
    return rhythm.safeParse(JSON.parse((await readTextIfPresent(path)) ?? 'null')).data;
  } catch {
    // Damaged, or not to be read by this user. The answer is then that of the certificate alone.
    return undefined;
  }
}

async function remember(path: string, value: z.infer<typeof rhythm>): Promise<void> {
  try {
    await writeFileAtomic(path, `${JSON.stringify(value)}\n`, 0o644);
  } catch {
    // Another user may ask too, and a full or read-only disk must not keep the answer back.
  }
}
