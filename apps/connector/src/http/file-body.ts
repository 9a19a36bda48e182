import type { FileHandle } from 'node:fs/promises';
import type { Body, BodySink } from '@sallyport/http-wire';

const pieceBytes = 64 * 1024;

/** A stretch of a file, read as fast as the client takes it. It closes the file. */
export class FileBody implements Body {
  readonly isReplayable = false;
  private sink: BodySink | undefined;
  private position: number;
  private left: number;
  private isReading = false;
  private isPaused = false;
  private isOver = false;

  constructor(
    private readonly file: FileHandle,
    { first, length }: { readonly first: number; readonly length: number },
  ) {
    this.position = first;
    this.left = length;
    this.length = length;
  }

  readonly length: number;

  flow(sink: BodySink): void {
    this.sink = sink;
    sink.flush();
    void this.read();
  }

  resume(): void {
    this.isPaused = false;
    void this.read();
  }

  cancel(): void {
    this.close();
  }

  private async read(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    try {
      while (!this.isOver && !this.isPaused && this.left > 0) await this.readPiece();
      if (!this.isOver && this.left === 0) this.end();
    } catch (error) {
      this.close();
      this.sink?.fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.isReading = false;
    }
  }

  private async readPiece(): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, this.left));
    const { bytesRead } = await this.file.read(buffer, 0, buffer.length, this.position);
    if (this.isOver) return;
    if (bytesRead === 0) throw new Error('The file became shorter while it was sent.');
    this.position += bytesRead;
    this.left -= bytesRead;
    this.sink?.write(buffer.subarray(0, bytesRead));
    this.isPaused = this.sink?.flush() === false;
  }

  private end(): void {
    this.close();
    this.sink?.end();
  }

  private close(): void {
    if (this.isOver) return;
    this.isOver = true;
    // Nobody can act on a file that was only read and does not close.
    this.file.close().catch(() => undefined);
  }
}
