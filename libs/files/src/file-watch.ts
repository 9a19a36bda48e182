import { createHash } from 'node:crypto';
import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { readOperatorFile } from './operator-file.js';

// A poll of a few files. Unlike a notification it works on every file system, and when a file is replaced or mounted.
const usualPollMs = 1_000;
// Programs that write a file in steps, or two files that belong together, need less between two steps.
const usualQuietMs = 500;

export interface FileWatchTimes {
  /** Milliseconds between two looks at a file; default 1,000. */
  readonly pollMs?: number | undefined;
  /** How long the files must have stayed the same before a change is told, in milliseconds; default 500. */
  readonly quietMs?: number | undefined;
}

export interface FileWatchOptions extends FileWatchTimes {
  readonly paths: readonly string[];
  /** The files hold something else than at the last call, or at the start. A file that is missing counts as a change. */
  readonly onChange: () => void;
}

/**
 * Tells when the content of files has changed, and has then stayed the same for a moment. So nobody reads a file that an
 * editor has emptied and not yet written, or a certificate whose key is still to come. It does not keep the process alive.
 */
export class FileWatch {
  private readonly stopping = new AbortController();
  private readonly listener = (now: Stats, before: Stats): void => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) this.noteChange();
  };
  private known: string | undefined;
  private changes = 0;

  private constructor(private readonly options: FileWatchOptions) {}

  static async start(options: FileWatchOptions): Promise<FileWatch> {
    const watch = new FileWatch(options);
    for (const path of options.paths)
      watchFile(path, { persistent: false, interval: options.pollMs ?? usualPollMs }, watch.listener);
    watch.known = await digestOf(options.paths);
    return watch;
  }

  stop(): void {
    this.stopping.abort();
    for (const path of this.options.paths) unwatchFile(path, this.listener);
  }

  private noteChange(): void {
    this.changes += 1;
    void this.tellWhenQuiet(this.changes);
  }

  private async tellWhenQuiet(change: number): Promise<void> {
    const { paths, quietMs = usualQuietMs, onChange } = this.options;
    const { signal } = this.stopping;
    const isOver = () => signal.aborted || change !== this.changes;
    let [before, digest] = ['', await digestOf(paths)];
    while (!isOver() && digest !== before) {
      // Only an abort rejects.
      await delay(quietMs, undefined, { signal, ref: false }).catch(() => undefined);
      [before, digest] = [digest, await digestOf(paths)];
    }
    if (isOver() || digest === this.known) return;
    this.known = digest;
    onChange();
  }
}

/** A file that cannot be read counts with the reason for it: what becomes of that is for whoever uses the file. */
async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const reading = await readOperatorFile(path);
    hash.update(`${reading.state === 'file' ? reading.text : reading.fault}\0`);
  }
  return hash.digest('hex');
}
