import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, readTextIfPresent, writeFileOnce } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { readOrCreateSecret } from './secret-file.js';
import { type CaCurve, KeyStore, type SigningKey } from './signing-key.js';

export interface FileKeyStoreOptions {
  /** Has one file for each encrypted key, mode 0600. The directory is made with mode 0700. */
  readonly directory: string;
  /** The file with the passphrase. Do not keep it in the same backup as the directory. */
  readonly passphraseFile: string;
}

/**
 * CA keys as PKCS#8 files, encrypted with PBES2 and AES-256 (RFC 8018 §6.2). Each is decrypted once and kept in memory.
 */
export class FileKeyStore extends KeyStore {
  private readonly opened = new Map<string, SigningKey>();

  private constructor(
    private readonly directory: string,
    private readonly passphrase: Buffer,
  ) {
    super();
  }

  /** @throws Problem `signing-key-unavailable`: there are keys, but the passphrase that opens them is gone */
  static async at({ directory, passphraseFile }: FileKeyStoreOptions): Promise<FileKeyStore> {
    await makeFolder(directory, 0o700);
    const hasKeys = (await readdir(directory)).some((name) => name.endsWith(keySuffix));
    // A new passphrase could open none of the keys, and would hide that the old one is missing.
    if (hasKeys && (await readTextIfPresent(passphraseFile)) === undefined)
      throw new Problem(
        'signing-key-unavailable',
        'The CA keys are there, but the file with their passphrase is not. Restore it from the backup of the state directory (state.path), or correct state.path.',
      );
    return new FileKeyStore(directory, await readOrCreateSecret(passphraseFile));
  }

  override async openOrCreate(id: string, curve: CaCurve): Promise<SigningKey> {
    const existing = await this.read(id);
    if (existing !== undefined) return existing;
    const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: curve });
    await this.write(id, privateKey);
    return this.open(id);
  }

  override async open(id: string): Promise<SigningKey> {
    const key = await this.read(id);
    if (key !== undefined) return key;
    throw new Problem('signing-key-unavailable', `The key of CA "${id}" is missing. Restore it from a backup.`);
  }

  override async import(id: string, privateKey: KeyObject): Promise<SigningKey> {
    const key = provenKey(id, privateKey);
    const isWritten = await this.write(id, privateKey);
    const kept = await this.open(id);
    if (isWritten || kept.publicKey.equals(key.publicKey)) return kept;
    throw new Problem('conflict', `Another key already has the id "${id}".`);
  }

  private async read(id: string): Promise<SigningKey | undefined> {
    const known = this.opened.get(id);
    if (known !== undefined) return known;
    const pem = await readTextIfPresent(this.pathOf(id));
    if (pem === undefined) return undefined;
    const key = provenKey(id, this.decrypt(id, pem));
    this.opened.set(id, key);
    return key;
  }

  private write(id: string, privateKey: KeyObject): Promise<boolean> {
    const passphrase = this.passphrase.toString('hex');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
    return writeFileOnce(this.pathOf(id), pem, 0o600);
  }

  private decrypt(id: string, pem: string): KeyObject {
    try {
      return createPrivateKey({ key: pem, passphrase: this.passphrase.toString('hex') });
    } catch (cause) {
      throw new Problem(
        'signing-key-unavailable',
        `The key of CA "${id}" cannot be decrypted: it is damaged, or the passphrase file is of another installation.`,
        { cause },
      );
    }
  }

  private pathOf(id: string): string {
    return join(this.directory, `${id}${keySuffix}`);
  }
}

const keySuffix = '.key.pem';

/**
 * Signs and verifies once with a private key that was just loaded, before anything depends on it.
 *
 * @throws Problem `signing-key-unavailable`: the key does not sign
 */
function provenKey(id: string, privateKey: KeyObject): SigningKey {
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
