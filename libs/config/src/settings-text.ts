import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

/** Largest settings file that is read; a full one has less than 10 KiB. */
const largestFileBytes = 1024 * 1024;

/**
 * The text of a settings file; undefined when it does not exist.
 *
 * @param name its path in the configuration directory, for errors too
 * @throws Problem `config-invalid`: it is unreadable, not a file, larger than 1 MiB, or not UTF-8. If it counted as empty,
 *   TLS would be turned off without a word.
 */
export async function readSettingsText(directory: string, name: string): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a named pipe would wait for a writer.
    file = await open(join(directory, name), constants.O_RDONLY | constants.O_NONBLOCK);
    return await textOf(file, name);
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (hasCode(error, 'ENOENT')) return undefined;
    const reason = `${name} cannot be read (${errorCode(error)}). Check its permissions and those of its directory.`;
    throw new Problem('config-invalid', reason, { cause: error });
  } finally {
    await file?.close();
  }
}

async function textOf(file: FileHandle, name: string): Promise<string> {
  const status = await file.stat();
  if (!status.isFile()) throw new Problem('config-invalid', `${name} is not a file. Remove or rename it.`);
  if (status.size > largestFileBytes) {
    const size = `${name} has ${status.size} bytes, the limit is ${largestFileBytes}`;
    throw new Problem('config-invalid', `${size}. Remove what are not settings.`);
  }
  const bytes = await file.readFile();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Problem('config-invalid', `${name} is not UTF-8 text. Save it as UTF-8.`, { cause: error });
  }
}
