import { type FileHandle, open, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { SerialQueue } from '@sallyport/concurrency';
import { makeFolder, removeIfPresent, syncFolder, writeFileAtomic } from '@sallyport/files';
import { condensed } from './condensed.js';
import { type JournalChange, type JournalEntry, lineOf } from './journal-entry.js';
import { bytesOf, entriesIn, type Segment, segmentOf, segmentsIn } from './segments.js';

export interface JournalOptions {
  /** Made with mode 0700 when the first entry is written: a start that is refused leaves nothing behind. */
  readonly folder: string;
  /** Who writes, such as the name of the host; letters, digits, `-` and `.`. Each has its own files. */
  readonly owner?: string;
  /** Whether a change still matters when the journal has become too large to keep everything. */
  readonly isKept: (change: JournalChange) => boolean;
  /** A new file is begun after this many bytes. */
  readonly segmentBytes?: number;
  /** How large all files of one owner together become. */
  readonly mostBytes?: number;
}

/** An entry, and who has written it. */
export interface OwnedEntry {
  readonly owner: string;
  readonly entry: JournalEntry;
}

const mebibyte = 1024 * 1024;

/**
 * What a service must not forget, in files outside its store. Each line is one transaction of the store, written after
 * it. When an older copy of the store comes back, the journal knows what the store has forgotten.
 *
 * An entry is on disk when `append` resolves. A line that a crash has torn is left out when the files are read. Several
 * processes may write into one folder.
 */
export class Journal {
  private readonly writing = new SerialQueue();
  private readonly waiting: JournalEntry[] = [];
  /** Writes everything that waits when it begins. */
  private nextWrite: Promise<void> | undefined;
  /** Unknown before the first write, and after one that failed. */
  private current: Segment | undefined;
  private mayBeTorn = true;

  private constructor(
    private readonly options: Required<JournalOptions>,
    private newestOwn: JournalEntry | undefined,
  ) {}

  /** @throws NodeJS.ErrnoException as the disk says */
  static async open(given: JournalOptions): Promise<Journal> {
    const options = { owner: ownerName(hostname()), segmentBytes: 4 * mebibyte, mostBytes: 64 * mebibyte, ...given };
    const journal = new Journal(options, undefined);
    journal.newestOwn = await newestIn(await journal.ownSegments());
    return journal;
  }

  /** The last entry that this owner has written. */
  get newest(): JournalEntry | undefined {
    return this.newestOwn;
  }

  /**
   * Adds an entry; it is on disk when this resolves. Entries that wait together are written together, because the
   * expensive part is to wait for the disk.
   *
   * @throws NodeJS.ErrnoException as the disk says
   */
  append(entry: JournalEntry): Promise<void> {
    this.waiting.push(entry);
    this.nextWrite ??= this.writing.run(() => this.writeWaiting());
    return this.nextWrite;
  }

  private async writeWaiting(): Promise<void> {
    // Entries of the same turn of the event loop are written together.
    await Promise.resolve();
    this.nextWrite = undefined;
    const entries = this.waiting.splice(0);
    await this.setOtherSiteAside(entries[0]);
    const segment = this.current ?? (await this.lastSegment());
    this.current = undefined;
    const file = await open(segment.path, 'a+', 0o600);
    try {
      await this.write(file, entries.map(lineOf).join(''));
      this.newestOwn = entries.at(-1) ?? this.newestOwn;
      this.current = segment;
      if ((await file.stat()).size < this.options.segmentBytes) return;
    } finally {
      await file.close();
    }
    await this.beginNext(segment);
  }

  /** Every entry of every owner. Those of one owner come in the order in which they were written. */
  async *entries(): AsyncGenerator<OwnedEntry> {
    for (const segment of await segmentsIn(this.options.folder))
      for await (const entry of entriesIn(segment)) yield { owner: segment.owner, entry };
  }

  /** The last entry of each owner. */
  async newestOfEach(): Promise<OwnedEntry[]> {
    const own = this.options.owner;
    const byOwner = Map.groupBy(await segmentsIn(this.options.folder), ({ owner }) => owner);
    const newest = await Promise.all(
      [...byOwner].map(async ([owner, segments]) => {
        return { owner, entry: owner === own ? this.newestOwn : await newestIn(segments) };
      }),
    );
    return newest.flatMap(({ owner, entry }) => (entry === undefined ? [] : [{ owner, entry }]));
  }

  /**
   * What another site has written here goes to an owner of its own. So the newest entry of an owner never hides that of
   * another site, which may come back.
   */
  private async setOtherSiteAside(next: JournalEntry | undefined): Promise<void> {
    const { folder, owner } = this.options;
    const newest = this.newestOwn;
    if (next === undefined || newest === undefined || newest.origin === next.origin) return;
    this.current = undefined;
    const otherOwner = `${newest.origin.slice(0, 16)}-${owner}`;
    const all = await segmentsIn(folder);
    let number = all.findLast((segment) => segment.owner === otherOwner)?.number ?? 0;
    for (const { path } of all.filter((segment) => segment.owner === owner)) {
      number += 1;
      await rename(path, segmentOf(folder, otherOwner, number).path);
    }
    this.newestOwn = undefined;
  }

  private async lastSegment(): Promise<Segment> {
    await makeFolder(this.options.folder, 0o700);
    return (await this.ownSegments()).at(-1) ?? this.makeSegment(1);
  }

  private async write(file: FileHandle, text: string): Promise<void> {
    try {
      // What a crash or a full disk has left ends here, and is no entry.
      await file.appendFile(this.mayBeTorn && !(await endsWithLine(file)) ? `\n${text}` : text);
      await file.datasync();
      this.mayBeTorn = false;
    } catch (error) {
      this.mayBeTorn = true;
      throw error;
    }
  }

  private async beginNext({ number }: Segment): Promise<void> {
    this.current = await this.makeSegment(number + 1);
    await this.condense();
  }

  /** Its name is on disk when this resolves, and so are the new names of what was set aside. */
  private async makeSegment(number: number): Promise<Segment> {
    const { folder, owner } = this.options;
    const segment = segmentOf(folder, owner, number);
    await (await open(segment.path, 'a', 0o600)).close();
    await syncFolder(folder);
    return segment;
  }

  /** Replaces the older files by what still matters of them, when all together are too large. */
  private async condense(): Promise<void> {
    const { mostBytes, isKept } = this.options;
    const own = (await this.ownSegments()).slice(0, -1);
    if ((await bytesOf(own)) < mostBytes) return;
    const old = own.slice(0, Math.max(1, Math.ceil(own.length / 2)));
    const target = old.at(-1);
    if (target === undefined) return;
    const entries = await condensed(old, { isKept, mostBytes: mostBytes / 4 });
    await writeFileAtomic(target.path, entries.map(lineOf).join(''), 0o600);
    for (const { path } of old.slice(0, -1)) await removeIfPresent(path);
  }

  private async ownSegments(): Promise<Segment[]> {
    return (await segmentsIn(this.options.folder)).filter(({ owner }) => owner === this.options.owner);
  }
}

async function newestIn(segments: readonly Segment[]): Promise<JournalEntry | undefined> {
  for (const segment of segments.toReversed()) {
    let last: JournalEntry | undefined;
    for await (const entry of entriesIn(segment)) last = entry;
    if (last !== undefined) return last;
  }
  return undefined;
}

async function endsWithLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return true;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === '\n';
}

/** A host name as part of a file name. */
function ownerName(host: string): string {
  return host.replaceAll(/[^A-Za-z0-9.-]/g, '-') || 'host';
}
