import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { FillingDisk } from '../testing.js';
import { type EntryPlace, Journal, type JournalEntry, type JournalLimits } from './journal.js';
import type { RecordReader } from './record-reader.js';
import type { RecordWriter } from './record-writer.js';

const [put, removed] = [1, 2];

class NamedValue implements JournalEntry {
  place: EntryPlace | undefined;

  constructor(
    readonly name: string,
    readonly value: Buffer,
  ) {}

  record(writer: RecordWriter): void {
    writer.begin(put);
    writer.text(this.name);
    writer.binary(this.value);
    writer.finish();
  }
}

function writeRemoval(writer: RecordWriter, name: string): void {
  writer.begin(removed);
  writer.text(name);
  writer.finish();
}

/** Values by name, kept in a journal. */
export class KeptValues {
  readonly entries = new Map<string, NamedValue>();

  private constructor(readonly journal: Journal) {}

  static async open(journal: Journal): Promise<KeptValues> {
    const values = new KeptValues(journal);
    await journal.load((type, record) => values.take(type, record));
    return values;
  }

  set(name: string, value: string | Buffer): void {
    const entry = new NamedValue(name, Buffer.from(value));
    const former = this.entries.get(name);
    if (former !== undefined) this.journal.forget(former);
    this.entries.set(name, entry);
    this.journal.keep(entry);
  }

  delete(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    this.journal.end(entry, (writer) => writeRemoval(writer, name));
  }

  /** Deletes a value where it does no harm that it is back after a crash. */
  deleteLazily(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    this.journal.endLazily(entry, (writer) => writeRemoval(writer, name));
  }

  /** What is kept, as text, in the order of names. */
  get all(): Record<string, string> {
    const names = [...this.entries.keys()].sort();
    return Object.fromEntries(names.map((name) => [name, String(this.entries.get(name)?.value)]));
  }

  private take(type: number, record: RecordReader): void {
    const name = record.text();
    const former = this.entries.get(name);
    if (former !== undefined) this.journal.forget(former);
    this.entries.delete(name);
    if (type !== put) return;
    const entry = new NamedValue(name, record.binary());
    this.entries.set(name, entry);
    this.journal.adopt(entry, record.recordBytes);
  }
}

export interface JournalSite extends AsyncDisposable {
  readonly disk: FillingDisk;
  readonly warnings: string[];
  readonly folder: string;
  /** Opens the values that the folder holds. The journal opened before has to be closed. */
  open(limits?: Partial<JournalLimits>): Promise<KeptValues>;
  segments(): Promise<string[]>;
  read(name: string): Promise<Buffer>;
  write(name: string, bytes: Uint8Array): Promise<void>;
}

export function openJournalSite(): JournalSite {
  const root: TemporaryDirectory = temporaryDirectory();
  const folder = root.file('journal');
  const disk = new FillingDisk();
  const warnings: string[] = [];
  const journals: Journal[] = [];
  return {
    disk,
    warnings,
    folder,
    open: async (limits = {}) => {
      const options = { onWarning: (text: string) => void warnings.push(text), limits: { retryMs: 10, ...limits } };
      const journal = new Journal({ disk: await disk.open(folder), ...options });
      journals.push(journal);
      try {
        return await KeptValues.open(journal);
      } catch (error) {
        await journal.close();
        throw error;
      }
    },
    segments: async () => (await readdir(folder)).filter((name) => name.endsWith('.journal')).sort(),
    read: (name) => readFile(join(folder, name)),
    write: (name, bytes) => writeFile(join(folder, name), bytes),
    [Symbol.asyncDispose]: async () => {
      for (const journal of journals) await journal.close();
      await root.remove();
    },
  };
}
