import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { readTextIfPresent, writeFileOnce } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { isPrivateKey, pemParts } from '@sallyport/x509';

const privateKeyMode = 0o400;

/** Makes a P-256 key pair and returns the private key. */
export async function newPrivateKey(): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return privateKey;
}

/** PKCS#8 in PEM, unencrypted. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** DER of the SubjectPublicKeyInfo that belongs to a private or a public key. */
export function publicKeyDer(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' });
}

/**
 * Reads a private key of any kind: PKCS#8, PKCS#1 or SEC1 in PEM.
 *
 * @throws Problem `not-found`: no such file
 * @throws Problem `config-invalid`: the file holds no readable, unencrypted private key
 */
export async function readPrivateKey(path: string): Promise<KeyObject> {
  const pem = await readTextIfPresent(path);
  if (pem === undefined) throw new Problem('not-found', 'There is no private key file yet. Enrol or create one first.');
  return privateKeyFromPem(pem);
}

/** @throws Problem `config-invalid`: the text holds no readable, unencrypted private key */
export function privateKeyFromPem(pem: string): KeyObject {
  const block = pemParts(pem).find(isPrivateKey);
  try {
    return createPrivateKey(block?.text ?? '');
  } catch (cause) {
    throw new Problem(
      'config-invalid',
      'The private key file holds no readable private key. It must be PEM (PKCS#8, PKCS#1 or SEC1) and not encrypted.',
      { cause },
    );
  }
}

/**
 * The key at `path`. If there is none, it is made (P-256, mode 0400). A key is never replaced: if several processes
 * call this at once, all get the same key.
 *
 * @throws Problem `config-invalid`: a file is there, but it is no private key
 */
export async function ensurePrivateKey(path: string): Promise<KeyObject> {
  if ((await readTextIfPresent(path)) === undefined)
    await writeFileOnce(path, privateKeyPem(await newPrivateKey()), privateKeyMode);
  return readPrivateKey(path);
}
