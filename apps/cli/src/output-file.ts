import { stat, writeFile } from 'node:fs/promises';
import { writeFileAtomic } from '@sallyport/files';
import { Failure } from './failure.js';
import { readPemFile } from './site/pem-file.js';

/**
 * Writes a file where the user said. What lies there is replaced, but never a private key: a mistyped path must not
 * cost an identity.
 *
 * @param mode of the finished file, such as 0o444
 * @throws Failure: a private key or a directory lies there; nothing was written
 */
export async function writeOutputFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const { state, description } = await readPemFile(path);
  if (state === 'directory') throw new Failure(`${path} is a directory.`, 'Give the path of a file.');
  if (description.endsWith('private key'))
    throw new Failure(`${path} holds ${description}, which would be lost; nothing was written.`, 'Give another path.');
  // A person may name /dev/stdout, or a pipe as in >(gpg -c).
  if (state === 'unreadable' && (await isStream(path))) return writeFile(path, content);
  await writeFileAtomic(path, content, mode);
}

async function isStream(path: string): Promise<boolean> {
  const status = await stat(path);
  return status.isFIFO() || status.isCharacterDevice();
}
