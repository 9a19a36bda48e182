import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { makeFolder, readTextIfPresent, writeFileOnce } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';

/** The key with which one gateway signs access tokens (ES256). */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
  /** Its thumbprint (RFC 7638). */
  readonly kid: string;
}

/**
 * Reads the key, or makes one in a file that only its owner can read. To change it, remove the file and restart the
 * gateway: tokens that the old key signed count until they expire.
 *
 * @throws Problem `config-invalid`: the file holds no P-256 key
 */
export async function openTokenKey(path: string): Promise<TokenKey> {
  await makeFolder(dirname(path), 0o700);
  if ((await readTextIfPresent(path)) === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFileOnce(path, String(privateKey.export({ format: 'pem', type: 'pkcs8' })), 0o600);
  }
  // Another process may have been first.
  const privateKey = readKey(path, (await readTextIfPresent(path)) ?? '');
  const publicJwk = await exportJWK(createPublicKey(privateKey));
  return { privateKey, publicJwk, kid: await calculateJwkThumbprint(publicJwk) };
}

function readKey(path: string, pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw unreadable(path);
}

function unreadable(path: string, cause?: unknown): Problem {
  return new Problem(
    'config-invalid',
    `The key of the CoAP gateway for access tokens cannot be read. Remove ${path}, and the gateway makes a new one.`,
    { cause },
  );
}
