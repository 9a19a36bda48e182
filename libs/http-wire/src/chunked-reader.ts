import { carriageReturn, colon, fieldBytes, hexDigits, lineFeed, semicolon, tokenBytes } from './characters.js';
import { FramingError } from './faults.js';

// 13 hexadecimal digits are exact numbers, and more than any chunk has.
const mostSizeDigits = 13;
/** Extensions of all chunks and the trailer section of a body together. */
const mostIgnoredBytes = 16_384;

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | TrailerState | 'done';
type TrailerState = 'line-start' | 'trailer-name' | 'trailer-value' | 'trailer-lf' | 'last-lf';

/**
 * Finds the data in a chunked body.
 *
 * Extensions and trailers are checked and left out: both are of this connection only (RFC 9112 §7.1.1), and nothing here
 * knows which trailers may be merged (RFC 9110 §6.5.1).
 *
 * @see RFC 9112 §7.1
 */
export class ChunkedReader {
  private state: State = 'size';
  private size = 0;
  private sizeDigits = 0;
  private left = 0;
  private ignoredBytes = 0;

  get isDone(): boolean {
    return this.state === 'done';
  }

  /**
   * @param onPiece gets the data, as views
   * @returns behind the last byte that belongs to the body
   * @throws FramingError
   */
  read(bytes: Buffer, start: number, onPiece: (piece: Buffer) => void): number {
    let at = start;
    while (at < bytes.length && this.state !== 'done') {
      if (this.state === 'data') at = this.readData(bytes, at, onPiece);
      else {
        this.step(bytes[at] ?? 0);
        at += 1;
      }
    }
    return at;
  }

  private readData(bytes: Buffer, at: number, onPiece: (piece: Buffer) => void): number {
    const end = Math.min(bytes.length, at + this.left);
    this.left -= end - at;
    if (this.left === 0) this.state = 'data-cr';
    onPiece(bytes.subarray(at, end));
    return end;
  }

  private step(byte: number): void {
    switch (this.state) {
      case 'size':
        this.stepSize(byte);
        break;
      case 'extension':
        this.stepExtension(byte);
        break;
      case 'size-lf':
        this.expect(byte, lineFeed, this.size === 0 ? 'line-start' : 'data');
        break;
      case 'data-cr':
        this.expect(byte, carriageReturn, 'data-lf');
        break;
      case 'data-lf':
        this.expect(byte, lineFeed, 'size');
        this.sizeDigits = 0;
        this.size = 0;
        break;
      case 'data':
      case 'done':
        break;
      default:
        this.stepTrailer(byte, this.state);
    }
  }

  private stepSize(byte: number): void {
    const digit = hexDigits[byte] ?? 0;
    if (digit > 0) {
      this.sizeDigits += 1;
      if (this.sizeDigits > mostSizeDigits) throw malformed('a chunk size is too large');
      this.size = this.size * 16 + digit - 1;
      return;
    }
    if (this.sizeDigits === 0) throw malformed('a chunk size is not hexadecimal');
    if (byte === semicolon) this.state = 'extension';
    else this.expect(byte, carriageReturn, 'size-lf');
    this.left = this.size;
  }

  // A peer that wraps each byte in an extension makes us read much for little, so the whole body has one allowance.
  private stepExtension(byte: number): void {
    this.countIgnored();
    if (byte === carriageReturn) this.state = 'size-lf';
    else if (fieldBytes[byte] !== 1) throw malformed('a chunk extension is malformed');
  }

  private stepTrailer(byte: number, state: TrailerState): void {
    this.countIgnored();
    switch (state) {
      case 'line-start':
        if (byte === carriageReturn) this.state = 'last-lf';
        else this.expectTable(byte, tokenBytes, 'trailer-name');
        break;
      case 'trailer-name':
        if (byte === colon) this.state = 'trailer-value';
        else this.expectTable(byte, tokenBytes, 'trailer-name');
        break;
      case 'trailer-value':
        if (byte === carriageReturn) this.state = 'trailer-lf';
        else this.expectTable(byte, fieldBytes, 'trailer-value');
        break;
      case 'trailer-lf':
        this.expect(byte, lineFeed, 'line-start');
        break;
      case 'last-lf':
        this.expect(byte, lineFeed, 'done');
        break;
      default:
        state satisfies never;
    }
  }

  private expect(byte: number, expected: number, next: State): void {
    if (byte !== expected) throw malformed('the chunks of the body are malformed');
    this.state = next;
  }

  private expectTable(byte: number, table: Uint8Array, next: State): void {
    if (table[byte] !== 1) throw malformed('a trailer is malformed');
    this.state = next;
  }

  private countIgnored(): void {
    this.ignoredBytes += 1;
    if (this.ignoredBytes > mostIgnoredBytes)
      throw new FramingError('too-large', `chunk extensions and trailers are larger than ${mostIgnoredBytes} bytes`);
  }
}

function malformed(message: string): FramingError {
  return new FramingError('malformed', message);
}
