import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Problem } from '@sallyport/protocol';
import type { StoreRecord } from '@sallyport/store';
import { z } from 'zod';
import { type ArchiveEntry, archiveEntries, type Key } from './archive-reader.js';
import { archiveEnd, endName, type FolderName, folderName, type Manifest, manifest, manifestName } from './manifest.js';
import { leftover } from './site-files.js';

/** A file of the archive, and where it belongs. */
export interface ArchivedFile extends ArchiveEntry {
  readonly folder: FolderName;
  /** Below the folder. */
  readonly path: string;
}

/** Takes what is in an archive. */
export interface ArchiveVisitor {
  file(file: ArchivedFile): Promise<void>;
  storePiece(records: AsyncIterable<StoreRecord>): Promise<number>;
}

// Any JSON is a value.
const storeRecord = z.union([
  z.strictObject({ put: z.string(), value: z.custom<StoreValue>(() => true), ttlSeconds: z.number().exactOptional() }),
  z.strictObject({ delete: z.string() }),
  z.strictObject({ append: z.string(), value: z.custom<StoreValue>(() => true), at: z.number() }),
]);
type StoreValue = Extract<StoreRecord, { readonly put: string }>['value'];

/**
 * Goes through a whole backup. It ends well only if nothing is missing.
 *
 * @returns the manifest
 * @throws Problem `forbidden`, `invalid-request`: as `archiveEntries`; or it is of a newer version, or something is missing
 */
export async function visitArchive(path: string, key: Key, visitor: ArchiveVisitor): Promise<Manifest> {
  const found = { files: 0, storeRecords: 0 };
  let [first, end]: [Manifest | undefined, z.infer<typeof archiveEnd> | undefined] = [undefined, undefined];
  for await (const entry of archiveEntries(path, key)) {
    if (first === undefined) first = manifestFrom(entry.name, await textOf(entry));
    else if (entry.name === endName) end = archiveEnd.safeParse(parsed(await textOf(entry))).data;
    else if (entry.name.startsWith('store/')) found.storeRecords += await visitor.storePiece(recordsIn(entry));
    else {
      await visitor.file(archivedFile(entry));
      found.files += 1;
    }
  }
  if (first === undefined || end?.files !== found.files || end.storeRecords !== found.storeRecords)
    throw new Problem('invalid-request', 'The backup is not complete: it was cut short or changed.');
  return first;
}

function manifestFrom(name: string, text: string): Manifest {
  const { data } = manifest.safeParse(parsed(text));
  if (name === manifestName && data !== undefined) return data;
  throw new Problem(
    'invalid-request',
    'The file is no backup of Sallyport, or it was made by a newer version. Upgrade this installation, and try again.',
  );
}

function archivedFile(entry: ArchiveEntry): ArchivedFile {
  const [top, ...parts] = entry.name.split('/');
  const folder = folderName.safeParse(top).data;
  const isPlain =
    parts.length > 0 && parts.every((part) => part !== '' && part !== '.' && part !== '..' && !leftover.test(part));
  // The store comes as records, which are checked.
  const isStore = folder === 'data' && parts[0] === 'store';
  if (folder !== undefined && isPlain && !isStore && !entry.name.includes('\0'))
    return { ...entry, folder, path: parts.join('/') };
  throw new Problem(
    'invalid-request',
    `The backup has an entry that does not belong there: ${JSON.stringify(entry.name)}.`,
  );
}

async function* recordsIn({ content }: ArchiveEntry): AsyncGenerator<StoreRecord> {
  for await (const line of createInterface({ input: Readable.from(content), crlfDelay: Number.POSITIVE_INFINITY })) {
    const record = storeRecord.safeParse(parsed(line)).data;
    if (record === undefined)
      throw new Problem('invalid-request', 'The backup has a record of the store that is damaged.');
    yield record;
  }
}

async function textOf({ content }: ArchiveEntry): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
