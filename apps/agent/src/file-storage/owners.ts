import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isAbsent, writeFileAtomic } from '@sallyport/files';

// The journal is rewritten when it has this many lines more than twice the number of valid ones.
const spareLines = 1_000;

/**
 * Remembers the owner of each stored file, over restarts too. The journal has one JSON line for each change:
 * `["a/b","device:child01"]`, or `["a/b"]` after a removal. Files that are not in the journal have no owner. The
 * journal only decides about shares of the storage. So a line lost in a power cut loses no file, and uploads work even
 * if the journal cannot be written.
 */
export class Owners {
  private readonly byPlace = new Map<string, string>();
  private lines = 0;
  private fd: number | undefined;
  /** True while lines are missing in the journal. Rewriting it repairs this. */
  private isBehind = false;

  /** @param journal path of the journal; without it, owners are only in memory */
  constructor(private readonly journal?: string) {
    if (journal !== undefined) this.read(journal);
  }

  /** True when all stored files should be counted, to make the journal short and complete again. */
  get isRewriteDue(): boolean {
    return this.lines > 2 * this.byPlace.size + spareLines;
  }

  ownerOf(place: string): string | undefined {
    return this.byPlace.get(place);
  }

  /** @param owner undefined if the file has no owner or was removed */
  set(place: string, owner: string | undefined): void {
    if (this.byPlace.get(place) === owner) return;
    if (owner === undefined) this.byPlace.delete(place);
    else this.byPlace.set(place, owner);
    this.append(owner === undefined ? [place] : [place, owner]);
  }

  /** Forgets all places except these, and rewrites the journal if it is too long. Nothing may change in between. */
  async keepOnly(places: ReadonlySet<string>): Promise<void> {
    for (const place of this.byPlace.keys()) if (!places.has(place)) this.set(place, undefined);
    if (this.journal === undefined || !(this.isRewriteDue || this.isBehind)) return;
    const lines = [...this.byPlace].map((entry) => `${JSON.stringify(entry)}\n`);
    try {
      await writeFileAtomic(this.journal, lines.join(''), 0o600);
    } catch {
      // No space or no permission: the old journal stays, and the next count tries again.
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
    // A crash may have cut off the last line. Without a line break, the next line would be joined to it.
    this.isBehind = content !== '' && !content.endsWith('\n');
    for (const line of content.split('\n')) {
      const [place, owner] = parseLine(line);
      if (place === undefined) continue;
      this.lines += 1;
      if (owner === undefined) this.byPlace.delete(place);
      else {
        // Thousands of places share one string for their owner, which saves memory.
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
      // The owners in memory are correct, and the next count repairs the journal.
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

/** Returns undefined for a line that a crash cut off. */
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
