import { FrameError } from './frame-error.js';
import type { CoapMessage, CoapOption } from './message.js';

/** A message has at most so many options. No client needs as many, and each costs far more memory than its bytes. */
const mostOptions = 128;
const payloadMarker = 0xff;
const largestOptionNumber = 65_535;
const empty = Buffer.alloc(0);
const noOptions: readonly CoapOption[] = [];

/** Reads what follows the token of a message: options, and behind a marker the payload. Reads nothing twice. */
export class BodyReader {
  private bytes: Buffer = empty;
  private position = 0;
  private end = 0;

  /**
   * Views, not copies.
   *
   * @throws FrameError RFC 7252 §3.1: the options break their format, or a marker has no payload
   */
  read(bytes: Buffer, start: number, end: number): Pick<CoapMessage, 'options' | 'payload'> {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    const options = this.options();
    const payload = this.position < end ? this.payload() : empty;
    this.bytes = empty;
    return { options, payload };
  }

  /** Stops at the end, or at the marker. */
  private options(): readonly CoapOption[] {
    const { bytes, end } = this;
    if (this.position === end || bytes[this.position] === payloadMarker) return noOptions;
    const options: CoapOption[] = [];
    let number = 0;
    while (this.position < end && bytes[this.position] !== payloadMarker) {
      const head = bytes[this.position] ?? 0;
      this.position += 1;
      number += this.extended(head >> 4, 'delta');
      const length = this.extended(head & 0x0f, 'length');
      if (number > largestOptionNumber) throw new FrameError(`option number ${number} is larger than 65535`);
      if (options.length === mostOptions) throw new FrameError(`a message has more than ${mostOptions} options`);
      options.push({ number, value: this.take(length, number) });
    }
    return options;
  }

  /** Delta or length of an option: its nibble, and up to two more bytes. */
  private extended(nibble: number, field: string): number {
    if (nibble < 13) return nibble;
    if (nibble === 15) throw new FrameError(`the reserved value 15 is the ${field} of an option`);
    const start = this.position;
    this.position += nibble - 12;
    if (this.position > this.end) throw new FrameError(`a message ends inside the ${field} of an option`);
    return nibble === 13 ? 13 + (this.bytes[start] ?? 0) : 269 + this.bytes.readUInt16BE(start);
  }

  private take(length: number, number: number): Buffer {
    const start = this.position;
    this.position += length;
    if (this.position > this.end) throw new FrameError(`a message ends inside option ${number}`);
    return length === 0 ? empty : this.bytes.subarray(start, this.position);
  }

  private payload(): Buffer {
    // RFC 7252 §3: a marker that no payload follows is a format error.
    if (this.position + 1 === this.end) throw new FrameError('a payload marker has no payload behind it');
    return this.bytes.subarray(this.position + 1, this.end);
  }
}
