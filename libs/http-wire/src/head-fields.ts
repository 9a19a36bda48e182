import { carriageReturn, colon, fieldBytes, lineFeed, skip, space, tab, tokenBytes } from './characters.js';
import { FramingError } from './faults.js';
import { Fields } from './fields.js';

/** The fields of a head, and what they say about framing and connection. */
export class HeadFields {
  readonly raw: string[] = [];
  readonly fields = new Fields(this.raw);
  hosts = 0;
  host = '';
  contentLengths = 0;
  contentLength = '';
  transferCodings = 0;
  transferCoding = '';
  /** All values of Connection in lower case. */
  connection = '';
  expect: string | undefined;
  upgrade: string | undefined;

  add(name: string, value: string): void {
    this.raw.push(name, value);
    // Most names have another length than these, so few are compared.
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === 'host') this.addHost(value);
        break;
      case 6:
        if (name.toLowerCase() === 'expect') this.expect = value;
        break;
      case 7:
        if (name.toLowerCase() === 'upgrade') this.upgrade = value;
        break;
      case 10:
        if (name.toLowerCase() === 'connection') this.connection += `,${value.toLowerCase()}`;
        break;
      case 14:
        if (name.toLowerCase() === 'content-length') this.addContentLength(value);
        break;
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') this.addTransferCoding(value);
        break;
    }
  }

  /** @param option in lower case */
  connectionHas(option: string): boolean {
    return this.connection !== '' && this.connection.split(',').some((each) => each.trim() === option);
  }

  private addHost(value: string): void {
    this.hosts += 1;
    this.host = value;
  }

  private addContentLength(value: string): void {
    this.contentLengths += 1;
    this.contentLength = value;
  }

  private addTransferCoding(value: string): void {
    this.transferCodings += 1;
    this.transferCoding = value;
  }
}

/**
 * Reads the field lines of a head.
 *
 * @param at   where the first line begins
 * @param end  behind the empty line that ends the head
 * @param most fields
 * @throws FramingError
 * @see RFC 9112 §5
 */
export function readFields(bytes: Buffer, { at, end, most }: { at: number; end: number; most: number }): HeadFields {
  const fields = new HeadFields();
  // One text for all names and values: cutting it is cheaper than decoding each.
  const text = bytes.toString('latin1', 0, end);
  const lastLine = end - 2;
  let place = at;
  while (place < lastLine) {
    if (fields.raw.length === 2 * most) throw new FramingError('too-large', `more than ${most} header fields`);
    place = readField({ bytes, text }, place, fields);
  }
  return fields;
}

interface HeadText {
  readonly bytes: Buffer;
  readonly text: string;
}

function readField({ bytes, text }: HeadText, at: number, fields: HeadFields): number {
  const nameEnd = skip(tokenBytes, bytes, at);
  // RFC 9112 §5.1: no space between name and colon. §5.2: no line that continues the one before (obs-fold).
  if (nameEnd === at || bytes[nameEnd] !== colon) throw malformedField(fields);
  let valueStart = nameEnd + 1;
  while (isBlank(bytes[valueStart])) valueStart += 1;
  const lineEnd = skip(fieldBytes, bytes, valueStart);
  // RFC 9112 §2.2: a line ends in CRLF. A bare CR, a bare LF, NUL and other control characters are refused.
  if (bytes[lineEnd] !== carriageReturn || bytes[lineEnd + 1] !== lineFeed) throw malformedField(fields);
  let valueEnd = lineEnd;
  while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd -= 1;
  fields.add(text.slice(at, nameEnd), text.slice(valueStart, valueEnd));
  return lineEnd + 2;
}

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab;
}

function malformedField({ raw }: HeadFields): FramingError {
  return new FramingError('malformed', `header field ${raw.length / 2 + 1} is malformed`);
}
