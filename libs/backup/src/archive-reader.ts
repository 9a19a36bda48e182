import { createReadStream } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import { Problem } from '@sallyport/protocol';
import { Decrypter } from 'age-encryption';
import { extract } from 'tar-stream';
import { errorFrom, write } from './archive-writer.js';
import { passphraseIdentity } from './passphrase-stanza.js';

/** What opens a backup: its passphrase, or an identity of age (`AGE-SECRET-KEY-1…`). */
export type Key = { readonly passphrase: string } | { readonly identity: string };

/** A file in the archive. Its content must be read before the next one. */
export interface ArchiveEntry {
  readonly name: string;
  readonly mode: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * The entries of a backup, in their order. Each piece is authentic when it comes: age checks it first.
 *
 * @throws Problem `forbidden`: the passphrase or the identity does not open it
 * @throws Problem `invalid-request`: it is no backup, it is damaged, or its end is missing
 */
export async function* archiveEntries(path: string, key: Key): AsyncGenerator<ArchiveEntry> {
  const file = createReadStream(path);
  try {
    const plain = await decrypted(file, key);
    const archive = extract();
    const reading = pump(plain, archive);
    for await (const entry of archive) {
      const { name, mode = 0o600, type } = entry.header;
      if (type === 'file') yield { name, mode, content: contentOf(entry) };
      entry.resume();
    }
    await reading;
  } catch (error) {
    // Node does not say which file it could not read.
    if (isSystemError(error)) throw Object.assign(error, { path });
    throw problemOf(error);
  } finally {
    file.destroy();
  }
}

async function decrypted(file: AsyncIterable<unknown>, key: Key): Promise<AsyncIterable<Uint8Array>> {
  const decrypter = new Decrypter();
  if ('passphrase' in key) decrypter.addIdentity(passphraseIdentity(key.passphrase));
  else decrypter.addIdentity(key.identity);
  return decrypter.decrypt(ReadableStream.from(bytesOf(file)));
}

/** The streams of the library and of Node have no type for their pieces. */
async function* bytesOf(stream: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) if (piece instanceof Uint8Array) yield piece;
}

/** A file that ends within this content is told as one that ends between two. */
async function* contentOf(entry: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytesOf(entry);
  } catch (error) {
    throw problemOf(error);
  }
}

/** Passes the pieces on, and an error too: a stream of the web would end the archive as if it was complete. */
async function pump(plain: AsyncIterable<Uint8Array>, archive: ReturnType<typeof extract>): Promise<void> {
  try {
    for await (const piece of plain) await write(archive, piece);
    archive.end(undefined);
  } catch (error) {
    archive.destroy(errorFrom(error));
  }
}

function isSystemError(error: unknown): error is Error & Record<'syscall', unknown> {
  return error instanceof Error && 'syscall' in error;
}

function problemOf(error: unknown): unknown {
  if (error instanceof Problem || !(error instanceof Error) || isSystemError(error)) return error;
  if (error.message.includes('no identity matched'))
    return new Problem(
      'forbidden',
      'This does not open the backup: it was made with another passphrase or another key.',
      {
        cause: error,
      },
    );
  return new Problem('invalid-request', 'The file is no backup of Sallyport, or it is damaged or cut short.', {
    cause: error,
  });
}
