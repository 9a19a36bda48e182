import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onProcessExit } from './process-exit.js';

/** A directory that is removed at the end of the test: `await using directory = temporaryDirectory();` */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
  /** The path of a file or directory below it; nothing is made. */
  file(...names: string[]): string;
  remove(): Promise<void>;
}

/** Makes an empty directory, mode 0700. Removed by `await using`, by `remove()`, or when the process ends. */
export function temporaryDirectory(prefix = 'sallyport-'): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const takeBack = onProcessExit(() => rmSync(path, { recursive: true, force: true }));
  const remove = async (): Promise<void> => {
    takeBack();
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  };
  return { path, file: (...names) => join(path, ...names), remove, [Symbol.asyncDispose]: remove };
}
