import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

/** Largest file read as PEM, in bytes; the CA bundle of a whole Linux distribution has a quarter of a MiB. */
const largestFile = 4 * 1024 * 1024;

/** A PEM file's text and facts about it, or why it was not read, as the end of a sentence. */
export type FileReading =
  | { readonly text: string; readonly stats: Stats; readonly fault?: never }
  | { readonly fault: string };

/** Reads a file an operator named. Never rejects and never waits for a pipe. */
export async function readOperatorFile(path: string): Promise<FileReading> {
  try {
    const stats = await stat(path);
    const fault = unreadable(stats);
    // PEM is ASCII; latin1 takes any other byte without failing, and finds no PEM in it.
    return fault === undefined ? { text: await readFile(path, 'latin1'), stats } : { fault };
  } catch (error) {
    return { fault: `cannot be read (${errorCode(error)})` };
  }
}

function unreadable(stats: Stats): string | undefined {
  if (stats.isDirectory()) return 'is a directory, and only files are read';
  // A pipe or a device would block for ever, or never end.
  if (!stats.isFile()) return 'is not a regular file';
  if (stats.size > largestFile) return `has ${stats.size} bytes, and at most ${largestFile} are read`;
  return undefined;
}

/** `ENOENT` and its like; the message of an error that has no code. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
