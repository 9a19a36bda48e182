import type { TemporaryFile } from './temporary-file.js';
import type { BufferShare } from './transfer-buffers.js';

/** A body up to this size stays in memory and is written in one step at its end. */
export const smallFileBytes = 64 * 1024;
// Full buffers that may wait for the disk before the sender has to wait, while enough buffers are free.
const mostWaiting = 7;
// Limits the memory for a small body in chunks of one byte.
const smallFileChunks = 64;

/** The functions of the storage that an incoming file needs. */
export interface IncomingFileTarget {
  readonly buffers: BufferShare;
  /** Called with bytes that have been copied. */
  readonly letGo: (copied: Buffer) => void;
  /** Reserves space for this number of further bytes. */
  readonly reserve: (bytes: number) => Promise<void> | undefined;
  readonly create: () => TemporaryFile;
  /** Moves the complete file to its place, and makes this durable. */
  readonly publish: (temporary: TemporaryFile) => Promise<void>;
  /** Frees reserved space that was not used; may be called twice. */
  readonly release: () => void;
}

/**
 * A file that is being received. It becomes visible only when it is complete, by `commit`. Bytes are collected in large
 * buffers. These are written one after another while the next ones fill. When too many are full, `write` makes its
 * caller wait until all of them are written, because stopping and starting to read a socket costs more than a buffer.
 */
export class IncomingFile {
  private beginning: Buffer[] = [];
  private filling: { readonly buffer: Buffer; bytes: number } | undefined;
  private readonly full: Buffer[] = [];
  private writing: Promise<void> | undefined;
  private fault: { readonly error: unknown } | undefined;
  private temporary: TemporaryFile | undefined;
  private receivedBytes = 0;

  constructor(private readonly target: IncomingFileTarget) {}

  get sizeBytes(): number {
    return this.receivedBytes;
  }

  /**
   * Takes the next bytes.
   *
   * @returns a promise if the caller must wait before it writes more
   * @throws the error of an earlier write to the disk: no space, no permission ...
   */
  write(chunk: Buffer): Promise<void> | undefined {
    this.rethrowFault();
    this.receivedBytes += chunk.length;
    if (this.isSmall) {
      this.beginning.push(chunk);
      if (this.receivedBytes <= smallFileBytes && this.beginning.length < smallFileChunks) return undefined;
      for (const early of this.beginning.splice(0)) this.gather(early);
    } else this.gather(chunk);
    return this.full.length < (this.target.buffers.isPlenty ? mostWaiting : 1) ? undefined : this.writing;
  }

  /** Writes the rest, forces it to disk and moves the file to its place. If this fails, call `discard`. */
  async commit(): Promise<void> {
    await this.writing;
    this.rethrowFault();
    await this.writeRest();
    await this.target.publish(this.opened());
    await this.end();
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    for (const buffer of this.full.splice(0)) this.target.buffers.giveBack(buffer);
    await this.writing;
    try {
      await this.temporary?.remove();
    } finally {
      await this.end();
    }
  }

  private get isSmall(): boolean {
    return this.filling === undefined && this.writing === undefined && this.temporary === undefined;
  }

  private gather(chunk: Buffer): void {
    for (let copied = 0; copied < chunk.length; ) {
      this.filling ??= { buffer: this.target.buffers.take(), bytes: 0 };
      const { buffer, bytes } = this.filling;
      const count = chunk.copy(buffer, bytes, copied);
      this.filling.bytes += count;
      copied += count;
      if (this.filling.bytes === buffer.length) this.passOn(buffer);
    }
    this.target.letGo(chunk);
  }

  private passOn(buffer: Buffer): void {
    this.filling = undefined;
    this.full.push(buffer);
    this.writing ??= this.writeFull();
  }

  /** Never rejects. A failure is kept for the next `write` or `commit`, because their caller can handle it. */
  private async writeFull(): Promise<void> {
    for (let buffer = this.full.shift(); buffer !== undefined; buffer = this.full.shift()) await this.append(buffer);
    this.writing = undefined;
  }

  private async append(buffer: Buffer): Promise<void> {
    try {
      if (this.fault === undefined) await this.target.reserve(buffer.length);
      if (this.fault === undefined) await this.opened().append(buffer);
    } catch (error) {
      this.fault ??= { error };
    } finally {
      this.target.buffers.giveBack(buffer);
    }
  }

  private async writeRest(): Promise<void> {
    const { filling } = this;
    const rest = filling === undefined ? joined(this.beginning) : filling.buffer.subarray(0, filling.bytes);
    await this.target.reserve(rest.length);
    if (this.receivedBytes <= smallFileBytes) this.opened().appendSmall(rest);
    else await this.opened().append(rest);
  }

  private opened(): TemporaryFile {
    this.temporary ??= this.target.create();
    return this.temporary;
  }

  private async end(): Promise<void> {
    const { filling, temporary } = this;
    [this.filling, this.temporary] = [undefined, undefined];
    if (filling !== undefined) this.target.buffers.giveBack(filling.buffer);
    try {
      await temporary?.close();
    } finally {
      this.target.release();
    }
  }

  private rethrowFault(): void {
    if (this.fault !== undefined) throw this.fault.error;
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
}
