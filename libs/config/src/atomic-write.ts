import { randomUUID } from 'node:crypto';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from './error-code.js';

/**
 * Replaces a text file as a whole: after a crash at any point it holds either the old or the new text.
 *
 * A new file gets mode 0644; an existing one keeps its mode, and a symbolic link keeps pointing where it does.
 */
export async function replaceTextFile(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch((error) => missing(error, path));
  const mode = await stat(target).then(
    (status) => status.mode & 0o777,
    (error) => missing(error, 0o644),
  );
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    await writeDurably(temporary, text, mode);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(target));
}

function missing<T>(error: unknown, substitute: T): T {
  if (errorCode(error) === 'ENOENT') return substitute;
  throw error;
}

async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    // open() applies the umask, which may be stricter than what others need to read the settings.
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

// The rename itself is only on disk once the directory is.
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
