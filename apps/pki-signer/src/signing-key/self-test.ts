import { createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import type { SigningKey } from './signing-key.js';

/**
 * Signs and verifies once with a private key just loaded, before anything depends on it.
 *
 * @throws Problem `signing-key-unavailable`: the key does not sign
 */
export function provenKey(id: string, privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const probe = randomBytes(32);
  // Ed25519 (RFC 8410) hashes by itself and takes no digest name.
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  if (!verify(digest, probe, publicKey, sign(digest, probe, privateKey)))
    throw new Problem(
      'signing-key-unavailable',
      `The key of CA "${id}" failed its self-test. Restore it from a backup.`,
    );
  return { id, publicKey, privateKey };
}
