import { Problem } from '@sallyport/protocol';
import type { WatchEvent, WatchOptions } from './store.js';

/** A window on the log of changes: everything after a revision, oldest first, as far as one page goes. */
export interface ChangePage {
  /** In order of revision. */
  readonly changes: readonly WatchEvent[];
  readonly newestRevision: number;
  /** 0 when the log is empty. */
  readonly oldestRevision: number;
}

/** What a storage engine gives a feed. */
export interface ChangeSource {
  newestRevision(): Promise<number>;
  /** Retries while the engine is away, until the signal aborts. */
  changesAfter(revision: number, limit: number, signal: AbortSignal): Promise<ChangePage>;
  /** Calls `onChange` soon after anybody changed anything, until the returned function is called. */
  listen(onChange: () => void): () => void;
}

const pageSize = 200;

/**
 * Turns a log of changes into watches. Each watch reads the log at its own pace from its own position, so a slow reader
 * costs no memory; the engine's notification only wakes readers up.
 */
export class ChangeFeed {
  private readonly closing = new AbortController();
  private watchers = 0;
  private stopListening: (() => void) | undefined;
  private wake = Promise.withResolvers<void>();

  constructor(private readonly source: ChangeSource) {}

  /** Starts a watch; its position is taken now, not when it is first read. */
  watch(prefix: string, { signal, afterRevision }: WatchOptions): AsyncIterable<WatchEvent> {
    const start = afterRevision === undefined ? this.source.newestRevision() : Promise.resolve(afterRevision);
    // The reader meets the failure when it iterates; until then nobody has to.
    start.catch(() => undefined);
    return this.follow(prefix, start, AbortSignal.any([signal, this.closing.signal]));
  }

  /** Wakes every reader: something changed. */
  notify(): void {
    const { resolve } = this.wake;
    this.wake = Promise.withResolvers<void>();
    resolve();
  }

  /** Ends every watch. */
  close(): void {
    this.closing.abort();
  }

  private async *follow(prefix: string, start: Promise<number>, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const position = await start;
    const onAbort = (): void => this.notify();
    signal.addEventListener('abort', onAbort, { once: true });
    this.join();
    try {
      for await (const change of this.changesAfter(position, signal)) {
        if (signal.aborted) return;
        if (keyOf(change).startsWith(prefix)) yield change;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.leave();
    }
  }

  private async *changesAfter(start: number, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    let position = start;
    while (!signal.aborted) {
      // Taken before reading, so that a change between reading and waiting is not missed.
      const woken = this.wake.promise;
      const page = await this.source.changesAfter(position, pageSize, signal);
      if (signal.aborted) return;
      checkRetained(position, page);
      const last = page.changes.at(-1);
      position = last === undefined ? position : revisionOf(last);
      yield* page.changes;
      if (last === undefined) await woken;
    }
  }

  private join(): void {
    this.watchers += 1;
    this.stopListening ??= this.source.listen(() => this.notify());
  }

  private leave(): void {
    this.watchers -= 1;
    if (this.watchers > 0) return;
    this.stopListening?.();
    this.stopListening = undefined;
  }
}

function checkRetained(position: number, page: ChangePage): void {
  // A position ahead of the store means that the store was put back to an older state.
  if (position <= page.newestRevision && position + 1 >= page.oldestRevision) return;
  throw new Problem(
    'conflict',
    `Changes after revision ${position} are no longer kept (oldest ${page.oldestRevision}, newest ${page.newestRevision}). List again and watch from now.`,
    { extensions: { oldestRevision: page.oldestRevision, newestRevision: page.newestRevision } },
  );
}

function keyOf(change: WatchEvent): string {
  return change.type === 'put' ? change.entry.key : change.key;
}

function revisionOf(change: WatchEvent): number {
  return change.type === 'put' ? change.entry.revision : change.revision;
}
