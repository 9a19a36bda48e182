import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isAbsent, writeFileAtomic } from '@sallyport/files';

// The journal is written anew when it holds this many lines more than twice what is true.
const spareLines = 1_000;

/**
 * Remembers who stored what, over restarts too: a journal of one JSON line for each change, `["a/b","device:child01"]`
 * or, removed, `["a/b"]`. What the journal does not know belongs to nobody. It decides about shares of the storage only,
 * so a line that a power cut took costs nobody a file, and a journal that cannot be written stops no upload.
 */
export class Owners {
  private readonly byPlace = new Map<string, string>();
  private lines = 0;
  private fd: number | undefined;
  /** The journal lacks lines; it is whole again once it has been rewritten. */
  private isBehind = false;

  /** @param journal where it is kept; in memory only when absent */
  constructor(private readonly journal?: string) {
    if (journal !== undefined) this.read(journal);
  }

  /** True when a look at everything that is stored is due, to make the journal short and whole again. */
  get isRewriteDue(): boolean {
    return this.lines > 2 * this.byPlace.size + spareLines;
  }

  ownerOf(place: string): string | undefined {
    return this.byPlace.get(place);
  }

  /** @param owner nobody in particular when absent, or when the place is empty now */
  set(place: string, owner: string | undefined): void {
    if (this.byPlace.get(place) === owner) return;
    if (owner === undefined) this.byPlace.delete(place);
    else this.byPlace.set(place, owner);
    this.append(owner === undefined ? [place] : [place, owner]);
  }

  /** Forgets all places but these, and shortens the journal when that is due. Nothing may change meanwhile. */
  async keepOnly(places: ReadonlySet<string>): Promise<void> {
    for (const place of this.byPlace.keys()) if (!places.has(place)) this.set(place, undefined);
    if (this.journal === undefined || !(this.isRewriteDue || this.isBehind)) return;
    const lines = [...this.byPlace].map((entry) => `${JSON.stringify(entry)}\n`);
    try {
      await writeFileAtomic(this.journal, lines.join(''), 0o600);
    } catch {
      // No room, or no right: the old journal stays, and the next count tries again.
      this.isBehind = true;
      return;
    }
    this.close();
    [this.lines, this.isBehind] = [lines.length, false];
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private read(journal: string): void {
    const interned = new Map<string, string>();
    const content = contentOf(journal);
    // The next line would become one with a line that a crash cut off.
    this.isBehind = content !== '' && !content.endsWith('\n');
    for (const line of content.split('\n')) {
      const [place, owner] = parseLine(line);
      if (place === undefined) continue;
      this.lines += 1;
      if (owner === undefined) this.byPlace.delete(place);
      else {
        // Thousands of places share one string of their owner.
        if (!interned.has(owner)) interned.set(owner, owner);
        this.byPlace.set(place, interned.get(owner) ?? owner);
      }
    }
  }

  private append(entry: readonly string[]): void {
    if (this.journal === undefined || this.isBehind) return;
    try {
      this.fd ??= openSync(this.journal, 'a', 0o600);
      writeSync(this.fd, `${JSON.stringify(entry)}\n`);
      this.lines += 1;
    } catch {
      // Memory is right, and the journal will be after the next count.
      this.isBehind = true;
    }
  }
}

function contentOf(journal: string): string {
  try {
    return readFileSync(journal, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return '';
    throw error;
  }
}

/** Nothing for a line that a crash cut off. */
function parseLine(line: string): [place?: string, owner?: string] {
  try {
    const entry: unknown = JSON.parse(line);
    if (!Array.isArray(entry)) return [];
    const [place, owner]: unknown[] = entry;
    if (typeof place !== 'string') return [];
    return typeof owner === 'string' ? [place, owner] : [place];
  } catch {
    return [];
  }
}
