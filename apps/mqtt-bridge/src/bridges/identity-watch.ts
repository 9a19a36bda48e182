import { createHash } from 'node:crypto';
import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { pause } from '@sallyport/concurrency';
import { codeOrMessage, readTextIfPresent } from '@sallyport/files';

// A poll of a few files. Unlike a notification it works on every file system, and when a file is replaced or mounted.
const pollMs = 1_000;
/** Certificate and key are two files: both have changed when nothing has changed for a moment. */
const quietMs = 500;

export interface IdentityWatchOptions {
  /** Certificate, key, or file with user name and password. */
  readonly paths: readonly string[];
  /** What is in the files is other than at the last call, or at the start. */
  readonly onChange: () => void;
  /** Default: one second. */
  readonly pollMs?: number;
}

/** Tells when the files change with which a bridge proves itself to its cloud. */
export class IdentityWatch {
  private readonly stopping = new AbortController();
  private readonly listener = (now: Stats, before: Stats): void => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) this.noteChange();
  };
  private known: string | undefined;
  private changes = 0;

  private constructor(private readonly options: IdentityWatchOptions) {}

  static async start(options: IdentityWatchOptions): Promise<IdentityWatch> {
    const watch = new IdentityWatch(options);
    watch.known = await digestOf(options.paths);
    for (const path of options.paths)
      watchFile(path, { persistent: false, interval: options.pollMs ?? pollMs }, watch.listener);
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
    const { signal } = this.stopping;
    await pause(quietMs, { signal, ref: false });
    if (signal.aborted || change !== this.changes) return;
    const digest = await digestOf(this.options.paths);
    if (digest === this.known) return;
    this.known = digest;
    this.options.onChange();
  }
}

async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  // A file that cannot be read is a fault of the next connection, which says so.
  for (const path of paths) hash.update(`${(await readTextIfPresent(path).catch(codeOrMessage)) ?? ''}\0`);
  return hash.digest('hex');
}
