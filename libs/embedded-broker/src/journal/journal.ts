import { randomInt } from 'node:crypto';
import { pause } from '@sallyport/concurrency';
import { sealBatch } from './batch-frame.js';
import type { JournalDisk, SegmentFile } from './journal-disk.js';
import { RecordReader } from './record-reader.js';
import { RecordWriter } from './record-writer.js';
import {
  listSegments,
  readSegment,
  type SegmentReading,
  saltOf,
  segmentHeader,
  segmentHeaderBytes,
  segmentName,
} from './segment.js';

/** Something that must be on disk for as long as it exists. */
export interface JournalEntry {
  /** Where its newest record is; the journal sets it. */
  place: EntryPlace | undefined;
  /** Writes what is still true of it. It may be called again later, to move the record to a newer segment. */
  record(writer: RecordWriter): void;
}

/** The segment and the length of a record. */
export interface EntryPlace {
  readonly segment: Segment;
  readonly bytes: number;
}

interface Segment {
  readonly number: number;
  /** Starts the checksums of its batches. */
  readonly salt: number;
  bytes: number;
  readonly live: Set<JournalEntry>;
  /** The batch that has to be on disk before this segment may go: it holds what was moved. */
  neededUntil: number;
}

/** Told once, when the batch that was being collected at the time of asking is on disk. */
export interface CommitListener {
  committed(): void;
}

export interface JournalOptions {
  readonly disk: JournalDisk;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly limits?: Partial<JournalLimits>;
}

export interface JournalLimits {
  readonly segmentBytes: number;
  /** Bytes on disk beyond twice the live ones before the oldest segment is rewritten. */
  readonly slackBytes: number;
  /** Bytes that may be moved out of the oldest segment in one turn of the event loop. */
  readonly bytesMovedAtOnce: number;
  /** Bytes waiting to be written from which on publishers are not read any more. */
  readonly waitingBytes: number;
  /** Wait before a failed write is tried again, in milliseconds. */
  readonly retryMs: number;
  /** Longest wait of a record that nobody waits for, in milliseconds. */
  readonly lazyMs: number;
}

const defaultJournalLimits: JournalLimits = {
  segmentBytes: 8 * 1024 * 1024,
  slackBytes: 32 * 1024 * 1024,
  bytesMovedAtOnce: 256 * 1024,
  waitingBytes: 8 * 1024 * 1024,
  retryMs: 1_000,
  lazyMs: 20,
};

export interface JournalCounters {
  commits: number;
  failedWrites: number;
  /** Seconds spent writing, in all. */
  writingSeconds: number;
}

/**
 * The broker's memory on disk: an append-only log in segments. Records are collected while the records before them are
 * written, and go to disk together, off the event loop. Oldest segments are emptied and removed while it runs.
 */
export class Journal {
  readonly counters: JournalCounters = { commits: 0, failedWrites: 0, writingSeconds: 0 };
  private readonly limits: JournalLimits;
  private readonly segments: Segment[] = [];
  private file: SegmentFile | undefined;
  private collecting = new RecordWriter();
  private written = new RecordWriter();
  private listeners: CommitListener[] = [];
  private lastCommitted = 0;
  private recordCount = 0;
  private liveBytes = 0;
  private totalBytes = 0;
  /** Whether what is collected is to be written at once. */
  private isDue = false;
  private lazyTimer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private fault: unknown;
  private isClosing = false;
  private isClosed = false;

  constructor(private readonly options: JournalOptions) {
    this.limits = { ...defaultJournalLimits, ...options.limits };
  }

  /** The batch of the newest record. Everything so far is on disk when `committed` has reached it. */
  get position(): number {
    return this.collecting.isEmpty ? this.collectingBatch - 1 : this.collectingBatch;
  }

  /** The last batch that is on disk. */
  get committed(): number {
    return this.lastCommitted;
  }

  /** Records written since the start. */
  get records(): number {
    return this.recordCount;
  }

  /** True while the disk takes nothing. What comes then must not be accepted. */
  get isFailing(): boolean {
    return this.fault !== undefined;
  }

  /** True while so much waits to be written that publishers should wait. */
  get isBusy(): boolean {
    return this.collecting.length > this.limits.waitingBytes;
  }

  get bytesOnDisk(): number {
    return this.totalBytes;
  }

  /**
   * Reads what an earlier run left. `onRecord` calls `adopt` for what still exists.
   *
   * @throws Problem `unavailable`: a segment is damaged, missing, or of a newer release; nothing was changed
   */
  async load(onRecord: (type: number, record: RecordReader) => void): Promise<void> {
    const { numbers, setAside } = listSegments(await this.options.disk.names());
    if (setAside.length > 0) this.options.onWarning('journal files were set aside', { files: setAside.length });
    for (const number of numbers) {
      const isContinued = this.segments.at(-1)?.number === number - 1;
      const after = isContinued ? this.lastCommitted : undefined;
      await this.loadSegment({ number, after, isNewest: number === numbers.at(-1) }, onRecord);
    }
    if (this.segments.length === 0) await this.openSegment((setAside.at(-1) ?? 0) + 1);
  }

  /** While loading: notes that an entry is as the record says that was read last. */
  adopt(entry: JournalEntry, bytes: number): void {
    this.forget(entry);
    this.place(entry, bytes);
  }

  /** While loading: an entry takes the place of another one. */
  transfer(from: JournalEntry, to: JournalEntry): void {
    const { place } = from;
    if (place === undefined) return;
    place.segment.live.delete(from);
    place.segment.live.add(to);
    from.place = undefined;
    to.place = place;
  }

  /** Writes an entry, in the place of what was written of it before. */
  keep(entry: JournalEntry): void {
    const before = this.collecting.length;
    entry.record(this.collecting);
    this.recordCount += 1;
    this.forget(entry);
    this.place(entry, this.collecting.length - before);
    this.startWriting();
  }

  /** Ends an entry, and writes the record that says so. */
  end(entry: JournalEntry, tombstone: (writer: RecordWriter) => void): void {
    this.writeEnd(entry, tombstone);
    this.startWriting();
  }

  /**
   * The same for an end that a crash may undo. Its record goes to disk with the next ones that somebody waits for, or a
   * little later alone.
   */
  endLazily(entry: JournalEntry, tombstone: (writer: RecordWriter) => void): void {
    this.writeEnd(entry, tombstone);
    this.lazyTimer ??= setTimeout(() => {
      this.lazyTimer = undefined;
      if (!this.collecting.isEmpty) this.startWriting();
    }, this.limits.lazyMs).unref();
  }

  /** Forgets an entry whose end another record has told. */
  forget(entry: JournalEntry): void {
    const { place } = entry;
    if (place === undefined) return;
    place.segment.live.delete(entry);
    // Its record is needed until the one that took its place, or told its end, is on disk.
    place.segment.neededUntil = this.collectingBatch;
    this.liveBytes -= place.bytes;
    entry.place = undefined;
  }

  /** Tells the listener when everything written so far is on disk; at once when it is. */
  whenCommitted(listener: CommitListener): void {
    this.listeners.push(listener);
    this.startWriting();
  }

  /** Resolves when everything written so far is on disk. */
  async flushed(): Promise<void> {
    if (this.position > this.lastCommitted) await new Promise<void>((committed) => this.whenCommitted({ committed }));
  }

  /** Writes what waits, unless the disk takes nothing, and closes the files. Safe to call twice. */
  async close(): Promise<void> {
    if (this.isClosing) return;
    this.isClosing = true;
    clearTimeout(this.lazyTimer);
    if (!this.collecting.isEmpty) this.startWriting();
    await this.running;
    this.isClosed = true;
    await this.file?.close();
    await this.options.disk.close();
  }

  private get collectingBatch(): number {
    return this.lastCommitted + (this.written.isEmpty ? 1 : 2);
  }

  private get newest(): Segment {
    const newest = this.segments.at(-1);
    if (newest === undefined) throw new Error('the journal was not loaded');
    return newest;
  }

  private writeEnd(entry: JournalEntry, tombstone: (writer: RecordWriter) => void): void {
    this.forget(entry);
    tombstone(this.collecting);
    this.recordCount += 1;
  }

  private place(entry: JournalEntry, bytes: number): void {
    const segment = this.newest;
    entry.place = { segment, bytes };
    segment.live.add(entry);
    this.liveBytes += bytes;
  }

  private async loadSegment(
    segment: Omit<SegmentReading, 'onBatch'>,
    onRecord: (type: number, record: RecordReader) => void,
  ): Promise<void> {
    const { number, isNewest } = segment;
    const bytes = await this.options.disk.read(segmentName(number));
    const read: Segment = { number, salt: saltOf(bytes) ?? newSalt(), bytes: 0, live: new Set(), neededUntil: 0 };
    this.segments.push(read);
    const { end, torn, lastBatch } = readSegment(bytes, {
      ...segment,
      onBatch: (records) => {
        const reader = new RecordReader(records);
        for (let type = reader.next(); type !== undefined; type = reader.next()) onRecord(type, reader);
      },
    });
    this.newest.bytes = end;
    this.totalBytes += end;
    this.lastCommitted = lastBatch;
    if (torn > 0)
      this.options.onWarning('the end of the journal was not finished and was cut', {
        file: segmentName(number),
        bytes: torn,
      });
    if (isNewest) await this.continueSegment(number, end);
  }

  private async continueSegment(number: number, end: number): Promise<void> {
    this.file = await this.options.disk.reopen(segmentName(number), end);
  }

  private async openSegment(number: number): Promise<void> {
    const file = await this.options.disk.create(segmentName(number));
    await this.file?.close();
    this.file = file;
    this.segments.push({ number, salt: newSalt(), bytes: 0, live: new Set(), neededUntil: 0 });
  }

  private async writeHeader(): Promise<void> {
    await this.file?.write(segmentHeader(this.newest.number, this.newest.salt), 0);
    this.newest.bytes = segmentHeaderBytes;
    this.totalBytes += segmentHeaderBytes;
  }

  /** In the next turn: what comes in the present one goes along. */
  private startWriting(): void {
    if (this.isClosed) return;
    this.isDue = true;
    this.running ??= new Promise((done) => {
      setImmediate(() => void this.writeAll().finally(done));
    });
  }

  private async writeAll(): Promise<void> {
    while (this.isDue || (this.isClosing && !this.collecting.isEmpty)) {
      const listeners = this.takeBatch();
      await this.writeBatch();
      if (this.fault !== undefined) break;
      for (const listener of listeners) listener.committed();
      await this.compact();
    }
    this.running = undefined;
  }

  private takeBatch(): CommitListener[] {
    [this.collecting, this.written] = [this.written, this.collecting];
    const { listeners } = this;
    this.listeners = [];
    this.isDue = false;
    return listeners;
  }

  private async writeBatch(): Promise<void> {
    while (!this.written.isEmpty) {
      try {
        await this.tryToWrite(this.written.batch);
        this.written.reset();
        this.lastCommitted += 1;
        if (this.fault !== undefined) this.options.onWarning('the journal can be written again', {});
        this.fault = undefined;
      } catch (error) {
        this.noteFault(error);
        // A full disk may have room again without it.
        if (this.segments[0] !== undefined) await this.removeIfUnneeded(this.segments[0]);
        if (this.isClosing) return;
        await pause(this.limits.retryMs);
      }
    }
  }

  private noteFault(error: unknown): void {
    this.counters.failedWrites += 1;
    if (this.fault === undefined)
      this.options.onWarning('the journal cannot be written; what has to be kept is not acknowledged', { error });
    this.fault = error;
  }

  private async tryToWrite(batch: Buffer): Promise<void> {
    const startedAt = performance.now();
    if (this.newest.bytes >= this.limits.segmentBytes) await this.openSegment(this.newest.number + 1);
    const segment = this.newest;
    if (segment.bytes === 0) await this.writeHeader();
    sealBatch(batch, { batch: this.lastCommitted + 1, salt: segment.salt });
    await this.file?.write(batch, segment.bytes);
    segment.bytes += batch.length;
    this.totalBytes += batch.length;
    this.counters.commits += 1;
    this.counters.writingSeconds += (performance.now() - startedAt) / 1_000;
  }

  /** Moves a part of the oldest segment to the newest one when there is much dead weight, and removes what is empty. */
  private async compact(): Promise<void> {
    const [oldest] = this.segments;
    if (oldest === undefined || this.segments.length === 1) return;
    if (oldest.live.size === 0) return this.removeIfUnneeded(oldest);
    if (this.totalBytes <= 2 * this.liveBytes + this.limits.slackBytes) return;
    const before = this.collecting.length;
    for (const entry of oldest.live) {
      this.keep(entry);
      if (this.collecting.length - before > this.limits.bytesMovedAtOnce) break;
    }
  }

  private async removeIfUnneeded(oldest: Segment): Promise<void> {
    if (oldest.live.size > 0 || oldest.neededUntil > this.lastCommitted || this.segments.length === 1) return;
    try {
      await this.options.disk.remove(segmentName(oldest.number));
      this.segments.shift();
      this.totalBytes -= oldest.bytes;
    } catch (error) {
      this.options.onWarning('an old journal file could not be removed', { file: segmentName(oldest.number), error });
    }
  }
}

function newSalt(): number {
  return randomInt(2 ** 32);
}
