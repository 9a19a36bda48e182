import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { codeOrMessage, isAbsent } from './error-code.js';

/** Largest file read, in bytes; the CA bundle of a whole Linux distribution has a quarter of a MiB. */
const largestFile = 4 * 1024 * 1024;

/** A file's text and facts about it, or why it was not read: in one word, and as the end of a sentence. */
export type FileReading =
  | { readonly state: 'file'; readonly text: string; readonly stats: Stats; readonly fault?: never }
  | { readonly state: 'missing' | 'directory' | 'unreadable'; readonly fault: string };

/** Reads a text file an operator named, such as one in PEM. Never rejects and never waits for a pipe. */
export async function readOperatorFile(path: string): Promise<FileReading> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return { state: 'directory', fault: 'is a directory, and only files are read' };
    const fault = unreadable(stats);
    // PEM is ASCII; latin1 takes any other byte without failing, and finds no PEM in it.
    return fault === undefined
      ? { state: 'file', text: await readFile(path, 'latin1'), stats }
      : { state: 'unreadable', fault };
  } catch (error) {
    return { state: isAbsent(error) ? 'missing' : 'unreadable', fault: `cannot be read (${codeOrMessage(error)})` };
  }
}

function unreadable(stats: Stats): string | undefined {
  // A pipe or a device would block for ever, or never end.
  if (!stats.isFile()) return 'is not a regular file';
  if (stats.size > largestFile) return `has ${stats.size} bytes, and at most ${largestFile} are read`;
  return undefined;
}
