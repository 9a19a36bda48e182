import type { TemporaryFile } from './temporary-file.js';
import type { BufferShare } from './transfer-buffers.js';

/** Up to here a whole body stays in memory and is written in one step at its end. */
export const smallFileBytes = 64 * 1024;
// Full buffers that may wait for the disk before the sender has to, while there are plenty.
const mostWaiting = 7;
// Bounds what a small body of one-byte chunks costs in buffers.
const smallFileChunks = 64;

/** What an incoming file needs of the storage it goes to. */
export interface IncomingFileTarget {
  readonly buffers: BufferShare;
  /** Told of bytes that have been copied away. */
  readonly letGo: (copied: Buffer) => void;
  /** Makes sure that so many bytes more may be written. */
  readonly reserve: (bytes: number) => Promise<void> | undefined;
  readonly create: () => TemporaryFile;
  /** Puts the finished file in its place, durably. */
  readonly publish: (temporary: TemporaryFile) => Promise<void>;
  /** Gives back what is reserved and not used; may be called twice. */
  readonly release: () => void;
}

/**
 * A file on its way in. It becomes visible whole, by `commit`, or never. Bytes are gathered into large buffers, which are
 * written one after another while the next ones fill. `write` asks its caller to wait when too many are full, and then
 * until all of them are written: to stop and start reading a socket costs more than a buffer.
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
   * @returns when more may follow, unless that is now
   * @throws what an earlier write to the disk failed with: no space, no permission ...
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

  /** Writes what is left, forces it to disk and puts the file in its place. After a failure, `discard` it. */
  async commit(): Promise<void> {
    await this.writing;
    this.rethrowFault();
    await this.writeRest();
    await this.target.publish(this.opened());
    await this.end();
  }

  /** Leaves nothing behind. */
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

  /** Never rejects: a failure is kept for the next `write` or `commit`, whose caller can act on it. */
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
