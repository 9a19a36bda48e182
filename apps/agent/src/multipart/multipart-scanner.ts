import { Problem } from '@sallyport/protocol';

/** Called with the parts of a multipart body, in order. */
export interface MultipartEvents {
  /** A part begins. Gets its header lines, unfolded and without line ends. */
  onPart(headerLines: readonly string[]): void;
  onContent(content: Buffer): void;
}

// RFC 2046 §5.1.1: boundary := 0*69<bchars> bcharsnospace
const boundaryPattern = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const longestHeaderBlockBytes = 16 * 1024;
// RFC 2046 §5.1.1 transport-padding: white space between a boundary and the end of its line.
const longestPaddingBytes = 256;
const nothing = Buffer.alloc(0);

type State = 'preamble' | 'delimiter-line' | 'headers' | 'content-start' | 'content' | 'epilogue';

/**
 * Parses a multipart body (RFC 2046 §5.1) chunk by chunk. Holds back at most a delimiter or one header block. Content
 * is passed on as slices of the received chunks. It is copied only when a delimiter may span two of them.
 */
export class MultipartScanner {
  private readonly delimiter: Buffer;
  private state: State = 'preamble';
  // A delimiter begins with a line end. We add one before the body, so that the first delimiter is recognised too.
  private pending: Buffer = Buffer.from('\r\n');

  /** @throws Problem `invalid-request`: the boundary breaks RFC 2046 §5.1.1. */
  constructor(
    boundary: string | undefined,
    private readonly events: MultipartEvents,
  ) {
    if (boundary === undefined || !boundaryPattern.test(boundary))
      throw malformed('its Content-Type has no boundary of 1 to 70 permitted characters');
    this.delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /** @throws Problem `invalid-request`: the body is not a multipart body with the announced boundary. */
  write(chunk: Buffer): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    while (this.advance());
  }

  /** @throws Problem `invalid-request`: the body ended before its closing boundary. */
  end(): void {
    if (this.state === 'preamble') throw malformed('the announced boundary does not occur in it');
    if (this.state !== 'epilogue') throw malformed('it ends without the closing boundary');
  }

  /** Consumes everything that is already clear; true when this led to the next state. */
  private advance(): boolean {
    switch (this.state) {
      case 'preamble':
        return this.findDelimiter(() => undefined);
      case 'delimiter-line':
        return this.readDelimiterLine();
      case 'headers':
        return this.readHeaders();
      case 'content-start':
        return this.startContent();
      case 'content':
        return this.findDelimiter((content) => this.events.onContent(content));
      case 'epilogue':
        return this.enter('epilogue', nothing);
      default:
        return this.state satisfies never;
    }
  }

  private enter(state: State, pending: Buffer): boolean {
    const isNew = state !== this.state;
    this.state = state;
    this.pending = pending;
    return isNew;
  }

  private findDelimiter(pass: (bytes: Buffer) => void): boolean {
    const { pending, delimiter } = this;
    const found = pending.indexOf(delimiter);
    const end = found < 0 ? startOfPartialDelimiter(pending, delimiter) : found;
    if (end > 0) pass(pending.subarray(0, end));
    if (found < 0) return this.enter(this.state, pending.subarray(end));
    return this.enter('delimiter-line', pending.subarray(found + delimiter.length));
  }

  private readDelimiterLine(): boolean {
    const line = this.pending.toString('latin1', 0, longestPaddingBytes + 2);
    if (line.startsWith('--')) return this.enter('epilogue', nothing);
    const padding = /^[ \t]*/.exec(line)?.[0].length ?? 0;
    const lineEnd = line.slice(padding, padding + 2);
    // Keep the line end: if a part has no headers, it is also the empty line after them.
    if (lineEnd === '\r\n') return this.enter('headers', this.pending.subarray(padding));
    if (padding <= longestPaddingBytes && (lineEnd === '' || lineEnd === '\r' || line === '-')) return false;
    throw malformed('a boundary is followed by something else than the end of its line');
  }

  private readHeaders(): boolean {
    const end = this.pending.indexOf('\r\n\r\n');
    if (end > longestHeaderBlockBytes || (end < 0 && this.pending.length > longestHeaderBlockBytes))
      throw malformed(`the headers of a part are longer than ${longestHeaderBlockBytes} bytes`);
    if (end < 0) return false;
    const block = this.pending.toString('latin1', 2, Math.max(2, end)).replace(/\r\n[ \t]+/g, ' ');
    this.events.onPart(block === '' ? [] : block.split('\r\n'));
    return this.enter('content-start', this.pending.subarray(end + 2));
  }

  /** RFC 2046 §5.1.1: body-part := MIME-part-headers [CRLF *OCTET], so a delimiter may follow the headers at once. */
  private startContent(): boolean {
    const { pending, delimiter } = this;
    const isDelimiterSoFar = delimiter.subarray(0, pending.length).equals(pending.subarray(0, delimiter.length));
    if (!isDelimiterSoFar) return this.enter('content', pending.subarray(2));
    return pending.length < delimiter.length ? false : this.enter('content', pending);
  }
}

/** The position where a delimiter may begin that the next chunk completes; the length of `bytes` if there is none. */
function startOfPartialDelimiter(bytes: Buffer, delimiter: Buffer): number {
  const first = Math.max(0, bytes.length - delimiter.length + 1);
  for (let at = bytes.indexOf(13, first); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (delimiter.subarray(0, bytes.length - at).equals(bytes.subarray(at))) return at;
  }
  return bytes.length;
}

function malformed(fault: string): Problem {
  return new Problem('invalid-request', `The body is not a valid multipart/form-data body: ${fault}.`);
}
