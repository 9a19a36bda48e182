import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, readTextIfPresent, writeFileOnce } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

const secretBytes = 32;

/**
 * 256 random bits in a file of mode 0600, in a folder of mode 0700. The first call makes them. Several callers at the
 * same time get the same secret.
 *
 * @throws Problem `config-invalid`: the file holds something else
 */
export async function readOrCreateSecret(path: string): Promise<Buffer> {
  await makeFolder(dirname(path), 0o700);
  if ((await readTextIfPresent(path)) === undefined)
    await writeFileOnce(path, randomBytes(secretBytes).toString('hex'), 0o600);
  const secret = Buffer.from(await readFile(path, 'utf8'), 'hex');
  if (secret.length !== secretBytes)
    throw new Problem(
      'config-invalid',
      `The secret in ${path} is damaged: it must be ${secretBytes} bytes in hexadecimal. Restore the file from a backup.`,
    );
  return secret;
}
