import { Problem } from '@sallyport/protocol';
import { deserialise } from './limits.js';
import type { WatchEvent, WatchOptions } from './store.js';

/** One change in the log. */
export interface LoggedChange {
  readonly key: string;
  readonly revision: number;
  /** The value's JSON; null when the key was deleted. */
  readonly text: string | null;
}

/** One page of the log of changes: what follows a revision, oldest first. */
export interface ChangePage {
  /** In order of revision. */
  readonly changes: readonly LoggedChange[];
  readonly newestRevision: number;
  /** 0 when the log is empty. */
  readonly oldestRevision: number;
}

/** What a feed needs of a storage engine. */
export interface ChangeSource {
  newestRevision(): Promise<number>;
  /** Retries while the engine is away, until the signal aborts. */
  changesAfter(revision: number, limit: number, signal: AbortSignal): Promise<ChangePage>;
  /** Calls `onChange` soon after each change by any process, until the returned function is called. */
  listen(onChange: () => void): () => void;
}

const pageSize = 200;

/**
 * Makes watches of a log of changes. Each watch has its own position in the log and reads at its own speed. So a slow
 * reader needs no memory. The notification of the engine only wakes up readers.
 */
export class ChangeFeed {
  private readonly closing = new AbortController();
  private watchers = 0;
  private stopListening: (() => void) | undefined;
  private wake = Promise.withResolvers<void>();

  constructor(private readonly source: ChangeSource) {}

  /** Starts a watch. It begins at the present position, not at the position of the first read. */
  watch(prefix: string, { signal, afterRevision }: WatchOptions): AsyncIterable<WatchEvent> {
    const start = afterRevision === undefined ? this.source.newestRevision() : Promise.resolve(afterRevision);
    // The reader gets the failure when it iterates. Without a reader it is no fault.
    start.catch(() => undefined);
    return this.follow(prefix, start, AbortSignal.any([signal, this.closing.signal]));
  }

  /** Wakes up every reader after a change. */
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
      for await (const page of this.pagesAfter(position, signal)) {
        // Parse only values that this watch reports: most changes concern other prefixes.
        for (const change of page.filter(({ key }) => key.startsWith(prefix))) {
          if (signal.aborted) return;
          yield eventFrom(change);
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.leave();
    }
  }

  private async *pagesAfter(start: number, signal: AbortSignal): AsyncGenerator<readonly LoggedChange[]> {
    let position = start;
    while (!signal.aborted) {
      // Before reading. Otherwise a change between reading and waiting would be missed.
      const woken = this.wake.promise;
      const page = await this.source.changesAfter(position, pageSize, signal);
      if (signal.aborted) return;
      checkRetained(position, page);
      position = page.changes.at(-1)?.revision ?? position;
      yield page.changes;
      if (page.changes.length === 0) await woken;
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
  // A position after the end of the store: the store was restored from an older backup.
  if (position <= page.newestRevision && position + 1 >= page.oldestRevision) return;
  throw new Problem(
    'conflict',
    `Changes after revision ${position} are no longer kept (oldest ${page.oldestRevision}, newest ${page.newestRevision}). List again and watch from now.`,
    { extensions: { oldestRevision: page.oldestRevision, newestRevision: page.newestRevision } },
  );
}

function eventFrom({ key, revision, text }: LoggedChange): WatchEvent {
  if (text === null) return { type: 'delete', key, revision };
  return { type: 'put', entry: { key, revision, value: deserialise(text) } };
}
