import { carriageReturn, lineFeed } from './characters.js';
import { FramingError } from './faults.js';

const headEnd = Buffer.from('\r\n\r\n');
const firstBytes = 1_024;

/** A head that is there as a whole, with what came behind it. */
export interface WholeHead {
  readonly bytes: Buffer;
  /** Behind the empty line. */
  readonly end: number;
}

/** Collects a head. One that comes in one piece is not copied. */
export class HeadAssembly {
  private assembly: Buffer | undefined;
  private length = 0;

  /** @param mostBytes of a head */
  constructor(private readonly mostBytes: number) {}

  /** A head has begun and not ended. */
  get hasBegun(): boolean {
    return this.assembly !== undefined;
  }

  /**
   * Takes the next bytes.
   *
   * @returns undefined when the head is not complete
   * @throws FramingError
   */
  take(chunk: Buffer): WholeHead | undefined {
    const bytes = this.assembly === undefined ? chunk : this.append(chunk);
    const from = this.assembly === undefined ? 0 : Math.max(0, this.length - chunk.length - headEnd.length + 1);
    const at = bytes.indexOf(headEnd, from);
    const end = at + headEnd.length;
    if (at >= 0 && end <= this.mostBytes) {
      this.forget();
      return { bytes, end };
    }
    if (at >= 0 || bytes.length > this.mostBytes)
      throw new FramingError('too-large', `the head is larger than ${this.mostBytes} bytes`);
    // Without this a head with bare LF would wait for its deadline.
    if (hasBareLineFeed(bytes, from)) throw new FramingError('malformed', 'a line does not end in CRLF');
    if (this.assembly === undefined) this.append(chunk);
    return undefined;
  }

  forget(): void {
    this.assembly = undefined;
    this.length = 0;
  }

  /** @returns everything so far */
  private append(chunk: Buffer): Buffer {
    const length = this.length + chunk.length;
    let assembly = this.assembly;
    if (assembly === undefined || length > assembly.length) {
      assembly = Buffer.allocUnsafeSlow(Math.max(firstBytes, 2 * length));
      this.assembly?.copy(assembly, 0, 0, this.length);
      this.assembly = assembly;
    }
    chunk.copy(assembly, this.length);
    this.length = length;
    return assembly.subarray(0, length);
  }
}

function hasBareLineFeed(bytes: Buffer, from: number): boolean {
  for (let at = bytes.indexOf(lineFeed, from); at >= 0; at = bytes.indexOf(lineFeed, at + 1))
    if (bytes[at - 1] !== carriageReturn) return true;
  return false;
}
