import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { namesIn } from '@sallyport/files';
import { entryOf, type JournalEntry } from './journal-entry.js';

/** One file of a journal. */
export interface Segment {
  /** Who writes it: each replica of a service has its own files. */
  readonly owner: string;
  /** Files of one owner are read in the order of their numbers. */
  readonly number: number;
  readonly path: string;
}

const namePattern = /^(.+)\.(\d{6})\.ndjson$/;

export function segmentOf(folder: string, owner: string, number: number): Segment {
  return { owner, number, path: join(folder, `${owner}.${String(number).padStart(6, '0')}.ndjson`) };
}

/** The files of a journal, by owner and number. */
export async function segmentsIn(folder: string): Promise<Segment[]> {
  const found = (await namesIn(folder)).toSorted().map((name) => namePattern.exec(name));
  return found.flatMap((match) => (match?.[1] === undefined ? [] : [segmentOf(folder, match[1], Number(match[2]))]));
}

/** The entries of a file, in the order in which they were written. Torn and damaged lines are left out. */
export async function* entriesIn({ path }: Segment): AsyncGenerator<JournalEntry> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    const entry = entryOf(line);
    if (entry !== undefined) yield entry;
  }
}

export async function bytesOf(segments: readonly Segment[]): Promise<number> {
  const sizes = await Promise.all(segments.map(async ({ path }) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
