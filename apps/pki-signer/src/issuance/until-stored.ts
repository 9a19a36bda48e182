import { Problem } from '@sallyport/protocol';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';

const mostTries = 3;

/**
 * Tries again when something changed between the decision and the transaction that stores it: another replica used the
 * token, issued the renewal, or rotated the CA.
 *
 * @param decide reads and issues; gives undefined when its conditions no longer held
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
