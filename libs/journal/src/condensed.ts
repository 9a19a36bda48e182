import { type JournalChange, type JournalEntry, keyOf, lineOf } from './journal-entry.js';
import { entriesIn, type Segment } from './segments.js';

export interface CondensingRules {
  readonly isKept: (change: JournalChange) => boolean;
  /** The oldest changes are left out when the others already take this much room. */
  readonly mostBytes: number;
}

type Place = Omit<JournalEntry, 'rows' | 'changes'>;

/** What still matters of old files: for each key its last change. The rows of the audit log are left out. */
export async function condensed(segments: readonly Segment[], rules: CondensingRules): Promise<JournalEntry[]> {
  const last = new Map<string, { readonly change: JournalChange; readonly at: Place }>();
  let newest: Place | undefined;
  for (const segment of segments)
    for await (const { changes, rows: _rows, ...at } of entriesIn(segment)) {
      newest = at;
      for (const change of changes) {
        // The latest change comes last.
        last.delete(keyOf(change));
        last.set(keyOf(change), { change, at });
      }
    }
  const kept = [...last.values()].filter(({ change }) => rules.isKept(change));
  const entries = newestWithin(
    kept.map(({ change, at }) => ({ ...at, rows: [], changes: [change] })),
    rules.mostBytes,
  );
  // Where the audit log was must be known, also if no change is left.
  return newest === undefined ? entries : [...entries, { ...newest, rows: [], changes: [] }];
}

function newestWithin(entries: readonly JournalEntry[], mostBytes: number): JournalEntry[] {
  let bytes = 0;
  const fitting = entries.toReversed().filter((entry) => {
    bytes += lineOf(entry).length;
    return bytes <= mostBytes;
  });
  return fitting.toReversed();
}
