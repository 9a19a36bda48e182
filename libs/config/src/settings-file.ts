import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@sallyport/protocol';
import { errorCode } from './error-code.js';
/** Name of the settings file inside the configuration directory. */
export const settingsFileName = 'tedge.toml';

/** Largest settings file that is read; a full one has less than 10 KiB. */
const largestFileBytes = 1024 * 1024;

/**
 * The text of tedge.toml; empty when there is no such file.
 *
 * An unreadable file is an error and not an empty one: to take it for empty would silently turn TLS off.
 *
 * @throws Problem `config-invalid`: unreadable, not a file, larger than 1 MiB, or not UTF-8.
 */
export async function readSettingsText(directory: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a named pipe would wait for a writer.
    file = await open(join(directory, settingsFileName), constants.O_RDONLY | constants.O_NONBLOCK);
    return await textOf(file);
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (errorCode(error) === 'ENOENT') return '';
    const reason = `${settingsFileName} cannot be read (${errorCode(error)}). Check its permissions and those of its directory.`;
    throw new Problem('config-invalid', reason, { cause: error });
  } finally {
    await file?.close();
  }
}

async function textOf(file: FileHandle): Promise<string> {
  const status = await file.stat();
  if (!status.isFile()) throw new Problem('config-invalid', `${settingsFileName} is not a file. Remove or rename it.`);
  if (status.size > largestFileBytes) {
    const size = `${settingsFileName} has ${status.size} bytes, the limit is ${largestFileBytes}`;
    throw new Problem('config-invalid', `${size}. Remove what are not settings.`);
  }
  const bytes = await file.readFile();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Problem('config-invalid', `${settingsFileName} is not UTF-8 text. Save it as UTF-8.`, { cause: error });
  }
}
