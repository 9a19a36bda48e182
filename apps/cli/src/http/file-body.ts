import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Failure } from '../failure.js';
import type { LocalBody } from './local-request.js';

/**
 * A file as a body. It is read while it is sent.
 *
 * @throws Failure: it is a directory
 * @throws the error of the system when there is no such file
 */
export async function fileBody(path: string): Promise<LocalBody> {
  const stats = await stat(path);
  if (stats.isDirectory()) throw new Failure(`${path} is a directory.`, 'Give the path of a file.');
  if (!stats.isFile()) return { bytes: undefined, open: () => createReadStream(path) };
  // A file that grows meanwhile, such as a log, is sent as long as it was.
  const { size } = stats;
  return { bytes: size, open: () => createReadStream(path, { end: Math.max(size - 1, 0) }) };
}
