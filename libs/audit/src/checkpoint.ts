import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { type AuditCheckpoint, Problem } from '@sallyport/protocol';
import type { AuditHead } from './audit-chain.js';
import { canonicalJson } from './canonical-json.js';

/** What a checkpoint says, before it is signed. */
export type UnsignedCheckpoint = Omit<AuditCheckpoint, 'keyId' | 'publicKey' | 'signature'>;

/** Signs the head of a log. @param key an Ed25519 private key */
export function signCheckpoint(unsigned: UnsignedCheckpoint, key: KeyObject): AuditCheckpoint {
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const named = { ...unsigned, keyId: keyIdOf(publicKey), publicKey: publicKey.toString('base64') };
  return { ...named, signature: sign(null, signedBytes(named), key).toString('base64') };
}

/** SHA-256 over the public key in DER: what an operator writes down, and compares later. */
export function keyIdOf(publicKey: Buffer): string {
  return createHash('sha256').update(publicKey).digest('hex');
}

/**
 * Why a checkpoint does not prove its row.
 *
 * @param row with the sequence number of the checkpoint; undefined if the log has none
 * @returns undefined if it does. Whether the key is the right one, the caller decides by `keyId`
 */
export function checkpointFault(checkpoint: AuditCheckpoint, row: AuditHead | undefined): string | undefined {
  const { sequence, hash } = checkpoint;
  if (!isSigned(checkpoint)) return `the checkpoint of row ${sequence} was changed after it was signed`;
  if (row === undefined) return `row ${sequence} is gone, of which there is a signed checkpoint`;
  return row.hash === hash ? undefined : `row ${sequence} is not the one of its signed checkpoint`;
}

function isSigned(checkpoint: AuditCheckpoint): boolean {
  const publicKey = Buffer.from(checkpoint.publicKey, 'base64');
  if (keyIdOf(publicKey) !== checkpoint.keyId) return false;
  try {
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
    const isEd25519 = key.asymmetricKeyType === 'ed25519';
    return isEd25519 && verify(null, signedBytes(checkpoint), key, Buffer.from(checkpoint.signature, 'base64'));
  } catch {
    // What stands in the place of the key is none, so nothing is proved.
    return false;
  }
}

function signedBytes({ service, sequence, hash, at, keyId }: Omit<AuditCheckpoint, 'signature'>): Buffer {
  // The first line keeps the signature from being taken for one of something else.
  return Buffer.from(`sallyport audit checkpoint 1\n${canonicalJson({ service, sequence, hash, at, keyId })}`);
}

/** @throws Problem `internal`: there is no key of this kind */
export function requireEd25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new Problem(
    'internal',
    'The key of the audit log is not an Ed25519 key. Remove its file, and a new one is made.',
  );
}
