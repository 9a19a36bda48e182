import { Problem } from '@sallyport/protocol';
import type { Hierarchy } from '../authority/hierarchy.js';
import { withoutBackup } from '../site/site-membership.js';
import type { KeyStore, SigningKey } from './signing-key.js';

/**
 * Opens every signing key, with a self-test. So a wrong passphrase stops the start, and no device meets it.
 *
 * @throws Problem `signing-key-unavailable`: a key is missing or damaged, or is not the one of its CA
 */
export async function proveSigningKeys({ all }: Hierarchy, keys: KeyStore): Promise<void> {
  // The key of a root may be kept elsewhere between rotations.
  const signing = all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
  for (const { record, certificate } of signing) {
    if (record.keyName === undefined) continue;
    const { publicKey } = await openKey(keys, record.keyName);
    if (!publicKey.export({ type: 'spki', format: 'der' }).equals(certificate.spki))
      throw new Problem(
        'signing-key-unavailable',
        `The key of CA "${record.id}" is not the one its certificate was made for: keys and store are of different sites. Restore both from the same backup. ${withoutBackup}`,
      );
  }
}

async function openKey(keys: KeyStore, name: string): Promise<SigningKey> {
  try {
    return await keys.open(name);
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'signing-key-unavailable') throw error;
    throw new Problem(error.type, `${error.message} ${withoutBackup}`, { cause: error });
  }
}
