import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { type Identity, type Recipient, Stanza } from 'age-encryption';

// https://c2sp.org/age#scrypt-recipient-stanza. The library does the same in JavaScript, which blocks for ten seconds.
const label = 'age-encryption.org/v1/scrypt';
const saltBytes = 16;
const tagBytes = 16;
const wrappedBytes = 32;
// 128 MiB of memory: a small board has that, and a guess costs as much.
const workFactor = 17;
const largestWorkFactor = 20;

const stretch = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** Locks a file with a passphrase, as `age --passphrase` does. */
export function passphraseRecipient(passphrase: string): Recipient {
  return {
    wrapFileKey: async (fileKey) => {
      const salt = randomBytes(saltBytes);
      const cipher = createCipheriv('chacha20-poly1305', await keyOf(passphrase, salt, workFactor), nonce(), {
        authTagLength: tagBytes,
      });
      const wrapped = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
      return [new Stanza(['scrypt', unpadded(salt), String(workFactor)], wrapped)];
    },
  };
}

/** Opens what a passphrase has locked; null with another passphrase, and for a file that has none. */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const [stanza] = stanzas;
      const [kind, salt = '', factor = ''] = stanza?.args ?? [];
      if (stanza === undefined || stanzas.length !== 1 || kind !== 'scrypt') return null;
      const isKnown = /^[1-9]\d?$/.test(factor) && Number(factor) <= largestWorkFactor;
      if (!isKnown || stanza.body.length !== wrappedBytes) return null;
      const key = await keyOf(passphrase, Buffer.from(salt, 'base64'), Number(factor));
      return opened(stanza.body, key);
    },
  };
}

function opened(body: Uint8Array, key: Buffer): Uint8Array | null {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(), { authTagLength: tagBytes });
  decipher.setAuthTag(body.subarray(-tagBytes));
  const plain = decipher.update(body.subarray(0, -tagBytes));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    // It does not authenticate: another passphrase.
    return null;
  }
}

function keyOf(passphrase: string, salt: Buffer, factor: number): Promise<Buffer> {
  const cost = 2 ** factor;
  const options = { N: cost, r: 8, p: 1, maxmem: 129 * 8 * cost + 1024 * 1024 };
  return stretch(passphrase, Buffer.concat([Buffer.from(label), salt]), 32, options);
}

/** Each key is used once. */
function nonce(): Buffer {
  return Buffer.alloc(12);
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
