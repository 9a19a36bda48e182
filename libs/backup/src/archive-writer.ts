import { type FileHandle, open } from 'node:fs/promises';
import { ReadableStream } from 'node:stream/web';
import { isAbsent } from '@sallyport/files';
import { Encrypter } from 'age-encryption';
import { pack } from 'tar-stream';
import { passphraseRecipient } from './passphrase-stanza.js';

/** Who can open a backup: everybody who knows the passphrase, or the owner of one of the keys (`age1…`). */
export type Lock = { readonly passphrase: string } | { readonly recipients: readonly string[] };

/** What the library of the archive calls a stream. */
export interface Sink {
  readonly destroyed: boolean;
  write(bytes: Uint8Array): boolean;
  once(event: 'drain' | 'close', listener: () => void): unknown;
}

const pieceBytes = 64 * 1024;

/** Puts entries into the archive, one after the other. */
export class ArchiveWriter {
  constructor(private readonly archive: ReturnType<typeof pack>) {}

  async add(name: string, content: string, mode = 0o600): Promise<void> {
    const bytes = Buffer.from(content);
    await this.entry({ name, mode, size: bytes.length }, (sink) => write(sink, bytes));
  }

  /**
   * The file as it is now. Others may append to it meanwhile.
   *
   * @returns false if it has gone
   */
  async addFile(name: string, path: string): Promise<boolean> {
    const file = await openIfPresent(path);
    if (file === undefined) return false;
    try {
      const { size, mode, mtime } = await file.stat();
      await this.entry({ name, mode: mode & 0o777, size, mtime }, (sink) => copy(file, sink, size));
    } finally {
      await file.close();
    }
    return true;
  }

  private entry(
    header: { readonly name: string; readonly mode: number; readonly size: number; readonly mtime?: Date },
    fill: (sink: Sink) => Promise<void>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const sink = this.archive.entry({ ...header, type: 'file' }, (error) => (error ? reject(error) : resolve()));
      fill(sink).then(
        () => sink.end(undefined),
        (error: unknown) => sink.destroy(errorFrom(error)),
      );
    });
  }
}

/**
 * A tar archive, encrypted for age (https://age-encryption.org/v1).
 *
 * @param fill puts the entries into it
 * @throws what `fill` throws, when the archive is read
 */
export async function encryptedArchive(
  lock: Lock,
  fill: (writer: ArchiveWriter) => Promise<void>,
): Promise<AsyncIterable<Uint8Array>> {
  const archive = pack();
  const encrypted = await encrypterOf(lock).encrypt(ReadableStream.from(bytesOf(archive)));
  void fill(new ArchiveWriter(archive)).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(errorFrom(error)),
  );
  return encrypted;
}

async function* bytesOf(archive: ReturnType<typeof pack>): AsyncGenerator<Uint8Array> {
  for await (const piece of archive) if (piece instanceof Uint8Array) yield piece;
}

function encrypterOf(lock: Lock): Encrypter {
  const encrypter = new Encrypter();
  if ('passphrase' in lock) encrypter.addRecipient(passphraseRecipient(lock.passphrase));
  else for (const recipient of lock.recipients) encrypter.addRecipient(recipient);
  return encrypter;
}

async function openIfPresent(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Exactly `size` bytes, because the archive has been told so. A file that has become shorter is filled with zeros. */
async function copy(file: FileHandle, sink: Sink, size: number): Promise<void> {
  for (let position = 0; position < size; ) {
    const wanted = Math.min(pieceBytes, size - position);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(wanted), 0, wanted, position);
    await write(sink, bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead));
    position += bytesRead === 0 ? wanted : bytesRead;
  }
}

/** Waits until the archive takes more. If it is destroyed, nobody needs the rest. */
export async function write(sink: Sink, bytes: Uint8Array): Promise<void> {
  if (sink.write(bytes) || sink.destroyed) return;
  await new Promise<void>((resolve) => {
    sink.once('drain', resolve);
    sink.once('close', resolve);
  });
}

export function errorFrom(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
