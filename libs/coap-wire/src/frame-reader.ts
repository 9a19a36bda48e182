import { FrameError } from './frame-error.js';
import { FrameHeader } from './frame-header.js';
import type { CoapMessage } from './message.js';
import { BodyReader } from './read-body.js';

export interface FrameReaderOptions {
  /** Largest message with its header, in bytes. A larger one is refused when its header has come. */
  readonly largestBytes: number;
}

// A frame that comes in pieces is put together in a buffer that grows with what has come, not with what it claims.
const firstAssemblyBytes = 1_024;
const longestHeaderBytes = 6;
const empty = Buffer.alloc(0);

/**
 * Cuts a byte stream into CoAP messages (RFC 8323 §3.2).
 *
 * Tokens, options and payloads are views of the chunks they came in. Copy a token to keep it longer than its exchange.
 * Only a frame that is spread over chunks is copied, once. After an error nothing more is read.
 *
 * ```ts
 * reader.push(chunk);
 * for (let message = reader.next(); message !== undefined; message = reader.next()) serve(message);
 * ```
 */
export class FrameReader {
  /** As in the options. It may change between two frames, when a peer has become known. */
  largestBytes: number;
  private readonly header = new FrameHeader();
  private readonly body = new BodyReader();
  private chunk: Buffer = empty;
  /** Where the next frame starts in `chunk`. */
  private position = 0;
  /** The beginning of a frame whose end has not come. */
  private assembly: Buffer | undefined;
  private assembledBytes = 0;
  private failure: FrameError | undefined;

  constructor({ largestBytes }: FrameReaderOptions) {
    this.largestBytes = largestBytes;
  }

  /** True when no frame has begun and not ended, and none waits for `next`. */
  get isBetweenFrames(): boolean {
    return this.assembly === undefined && this.position === this.chunk.length;
  }

  /** Takes the next bytes of the stream. A caller that stops `next` early, to read no more for now, may push later. */
  push(chunk: Buffer): void {
    const isRead = this.position === this.chunk.length;
    this.chunk = isRead ? chunk : Buffer.concat([this.chunk.subarray(this.position), chunk]);
    this.position = 0;
  }

  /**
   * @returns undefined when the bytes so far hold no whole message
   * @throws FrameError the connection must end; every later call throws it again
   */
  next(): CoapMessage | undefined {
    if (this.failure !== undefined) throw this.failure;
    try {
      return this.assembly === undefined ? this.nextInChunk() : this.nextInAssembly(this.assembly);
    } catch (error) {
      if (error instanceof FrameError) this.fail(error);
      throw error;
    }
  }

  private fail(error: FrameError): void {
    this.failure = error;
    this.assembly = undefined;
    this.release();
  }

  private nextInChunk(): CoapMessage | undefined {
    const { chunk, position, header } = this;
    if (position === chunk.length) return this.release();
    const isWholeHeader = this.readHeader(chunk, position, chunk.length);
    const frameEnd = isWholeHeader ? position + header.frameBytes : Number.POSITIVE_INFINITY;
    if (frameEnd > chunk.length) return this.beginAssembly(frameEnd - position);
    this.position = frameEnd;
    return this.messageIn(chunk, position);
  }

  /** A connection at rest does not hold on to its last chunk. */
  private release(): undefined {
    this.chunk = empty;
    this.position = 0;
    return undefined;
  }

  private beginAssembly(frameBytes: number): undefined {
    const left = this.chunk.subarray(this.position);
    const assembly = Buffer.allocUnsafeSlow(Math.min(frameBytes, Math.max(firstAssemblyBytes, 2 * left.length)));
    assembly.set(left);
    this.assembly = assembly;
    this.assembledBytes = left.length;
    return this.release();
  }

  private nextInAssembly(begun: Buffer): CoapMessage | undefined {
    const { header, chunk } = this;
    let assembly = begun;
    while (!this.readHeader(assembly, 0, this.assembledBytes)) {
      if (this.position === chunk.length) return this.release();
      assembly = this.assemble(assembly, { bytes: 1, mostBytes: longestHeaderBytes });
    }
    const { frameBytes } = header;
    const bytes = Math.min(frameBytes - this.assembledBytes, chunk.length - this.position);
    assembly = this.assemble(assembly, { bytes, mostBytes: frameBytes });
    if (this.assembledBytes < frameBytes) return this.release();
    this.assembly = undefined;
    this.assembledBytes = 0;
    return this.messageIn(assembly, 0);
  }

  /** Moves bytes from the chunk to the assembly, which doubles, up to `mostBytes`: each byte is copied a few times at most. */
  private assemble(assembly: Buffer, { bytes, mostBytes }: { bytes: number; mostBytes: number }): Buffer {
    const needed = this.assembledBytes + bytes;
    const room = needed <= assembly.length ? assembly : grown(assembly, needed, mostBytes);
    this.chunk.copy(room, this.assembledBytes, this.position, this.position + bytes);
    this.assembly = room;
    this.assembledBytes = needed;
    this.position += bytes;
    return room;
  }

  /** Refuses a frame that is too large before its body is there. */
  private readHeader(bytes: Buffer, start: number, end: number): boolean {
    const { header, largestBytes } = this;
    if (!header.read(bytes, start, end)) return false;
    if (header.frameBytes <= largestBytes) return true;
    throw new FrameError(`a message of ${header.frameBytes} bytes is larger than the limit of ${largestBytes} bytes`);
  }

  private messageIn(bytes: Buffer, start: number): CoapMessage {
    const { header } = this;
    const tokenStart = start + header.bytes;
    const bodyStart = tokenStart + header.tokenBytes;
    const { options, payload } = this.body.read(bytes, bodyStart, bodyStart + header.bodyBytes);
    const token = header.tokenBytes === 0 ? empty : bytes.subarray(tokenStart, bodyStart);
    return { code: bytes[tokenStart - 1] ?? 0, token, options, payload };
  }
}

function grown(buffer: Buffer, needed: number, mostBytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.min(mostBytes, Math.max(needed, 2 * buffer.length)));
  larger.set(buffer.subarray(0, Math.min(buffer.length, larger.length)));
  return larger;
}
