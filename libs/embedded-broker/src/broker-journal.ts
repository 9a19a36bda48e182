import type { CommitListener, JournalEntry } from './journal/journal.js';
import type { RecordWriter } from './journal/record-writer.js';

/** What the broker asks of its journal. */
export interface BrokerJournal {
  /** The batch of the newest record; everything so far is kept when `committed` has reached it. */
  readonly position: number;
  readonly committed: number;
  /** Records since the start. */
  readonly records: number;
  /** True while nothing can be kept. */
  readonly isFailing: boolean;
  /** True while so much waits to be written that publishers should wait. */
  readonly isBusy: boolean;
  keep(entry: JournalEntry): void;
  end(entry: JournalEntry, tombstone: (writer: RecordWriter) => void): void;
  /** The same for an end that a crash may undo: it may be written somewhat later. */
  endLazily(entry: JournalEntry, tombstone: (writer: RecordWriter) => void): void;
  forget(entry: JournalEntry): void;
  whenCommitted(listener: CommitListener): void;
}

/** For a broker that keeps everything in memory alone. */
export const noJournal: BrokerJournal = {
  position: 0,
  committed: 0,
  records: 0,
  isFailing: false,
  isBusy: false,
  keep: () => undefined,
  end: () => undefined,
  endLazily: () => undefined,
  forget: () => undefined,
  whenCommitted: (listener) => listener.committed(),
};
