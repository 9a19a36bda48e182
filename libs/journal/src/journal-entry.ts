import { crc32 } from 'node:zlib';
import { auditRow } from '@sallyport/protocol';
import { z } from 'zod';

/** What a value of a store may hold. */
type JournalValue = null | boolean | number | string | JournalValue[] | { [key: string]: JournalValue | undefined };

/** One change of an entry of a store, as a transaction made it. */
export const journalChange = z.union([
  // What JSON gives is a value, so there is nothing to check.
  z.strictObject({
    put: z.string(),
    value: z.custom<JournalValue>(() => true),
    ttlSeconds: z.number().exactOptional(),
  }),
  z.strictObject({ delete: z.string() }),
]);
export type JournalChange = z.infer<typeof journalChange>;

/** What one transaction of a service has changed, and where its audit log was afterwards. */
export const journalEntry = z.strictObject({
  /** The hash of the first row of the audit log. It says which log this is: another site has another one. */
  origin: auditRow.shape.hash,
  /** The last row of the audit log. */
  sequence: auditRow.shape.sequence,
  hash: auditRow.shape.hash,
  /** The rows that the transaction wrote. None if it wrote no row, or if they were left out to save room. */
  rows: z.array(auditRow),
  changes: z.array(journalChange),
});
export type JournalEntry = z.infer<typeof journalEntry>;

/** A line of a file of the journal, with its line end: a checksum and JSON. */
export function lineOf(entry: JournalEntry): string {
  const json = JSON.stringify(entry);
  return `${checksumOf(json)} ${json}\n`;
}

/** The entry of a line without its line end; undefined if the line is torn or damaged. */
export function entryOf(line: string): JournalEntry | undefined {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksumOf(json)} `) return undefined;
  return journalEntry.safeParse(parsed(json)).data;
}

/** Zeros have a checksum that fits, and are no JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function checksumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** What a change is about. */
export function keyOf(change: JournalChange): string {
  return 'put' in change ? change.put : change.delete;
}
