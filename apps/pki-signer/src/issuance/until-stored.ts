import { Problem } from '@sallyport/protocol';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';

const mostTries = 3;

/**
 * Decides anew when what a decision rested on changed before it could be stored: another replica spent the token, issued
 * the renewal, or rotated the CA meanwhile.
 *
 * @param decide reads and issues; undefined when its conditions no longer held
 * @throws Problem `unavailable`: it happened three times in a row
 */
export async function untilStored(
  hierarchy: Hierarchy,
  decide: () => Promise<CertificateRecord | undefined>,
): Promise<CertificateRecord> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const issued = await decide();
    if (issued !== undefined) return issued;
    await hierarchy.load();
  }
  throw new Problem('unavailable', 'The signer is too busy. Try again.', { retryAfterSeconds: 1 });
}
