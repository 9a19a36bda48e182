import { Problem } from '@sallyport/protocol';
import { parseHeaderValue } from './header-value.js';
import { MultipartScanner } from './multipart-scanner.js';

// Maximum size of everything in a form except its file: preamble, part headers, form fields and epilogue.
const longestEnvelopeBytes = 1024 * 1024;

/** A form may be longer than its file by this number of bytes. */
export const formEnvelopeLimitBytes = longestEnvelopeBytes;

/**
 * Extracts the one file from a `multipart/form-data` body (RFC 7578), as `curl -F 'file=@PATH'` sends it. Ignores form
 * fields without a file name. Refuses a form with two files: one path stores one file, and ignoring the second would
 * lose it silently.
 */
export class FormDataFile {
  private readonly scanner: MultipartScanner;
  private place: 'before' | 'in-file' | 'after' = 'before';
  private envelopeBytes = 0;

  /**
   * @param contentType of the request
   * @param store takes the content of the file, slice by slice
   * @throws Problem `invalid-request`: no usable boundary.
   */
  constructor(
    contentType: string,
    private readonly store: (content: Buffer) => void,
  ) {
    const boundary = parseHeaderValue(contentType).parameters.get('boundary');
    this.scanner = new MultipartScanner(boundary, {
      onPart: (lines) => this.enterPart(lines),
      onContent: (content) => this.takeContent(content),
    });
  }

  /** @throws Problem `invalid-request`: malformed, a second file, or more than 1 MiB beside the file. */
  write(chunk: Buffer): void {
    this.envelopeBytes += chunk.length;
    this.scanner.write(chunk);
    // Bytes that the scanner still holds back count as envelope, until it knows that they are content.
    if (this.envelopeBytes > longestEnvelopeBytes)
      throw new Problem('invalid-request', `The form holds more than ${longestEnvelopeBytes} bytes beside its file.`);
  }

  /** @throws Problem `invalid-request`: incomplete, or without a file. */
  end(): void {
    this.scanner.end();
    if (this.place === 'before')
      throw new Problem(
        'invalid-request',
        'The form holds no file: none of its parts has a file name. With curl, use -F "file=@PATH" or -T PATH.',
      );
  }

  private enterPart(headerLines: readonly string[]): void {
    const headers = new Map(headerLines.map(splitHeader));
    const disposition = parseHeaderValue(headers.get('content-disposition') ?? '');
    // RFC 7578 §4.2: "Each part MUST contain a Content-Disposition header field [...] where the disposition type is
    // 'form-data'."
    if (disposition.value !== 'form-data')
      throw new Problem('invalid-request', 'A part of the form has no "Content-Disposition: form-data" header.');
    const isFile = disposition.parameters.has('filename') || disposition.parameters.has('filename*');
    if (isFile && this.place !== 'before')
      throw new Problem(
        'invalid-request',
        'The form holds more than one file; one path stores one file. Send them one by one.',
      );
    if (isFile) requireIdentityEncoding(headers.get('content-transfer-encoding'));
    this.place = isFile ? 'in-file' : this.place === 'before' ? 'before' : 'after';
  }

  private takeContent(content: Buffer): void {
    if (this.place !== 'in-file') return;
    this.envelopeBytes -= content.length;
    this.store(content);
  }
}

function splitHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, Math.max(0, colon)).toLowerCase(), line.slice(colon + 1).trim()];
}

/** RFC 7578 §4.7 deprecates transfer encodings. Content with an encoding that changes the bytes must not be stored. */
function requireIdentityEncoding(encoding: string | undefined): void {
  if (encoding === undefined || ['7bit', '8bit', 'binary'].includes(encoding.toLowerCase())) return;
  throw new Problem('invalid-request', `The file part is encoded as ${JSON.stringify(encoding)}; send it as binary.`);
}
