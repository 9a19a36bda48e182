import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormDataFile } from './form-data-file.js';

const type = 'multipart/form-data; boundary=XX';

/** Parses a body that arrives in pieces; returns the stored bytes, or the text of the refusal. */
function storedFrom(pieces: readonly (string | Buffer)[], contentType = type): string | Buffer {
  const stored: Buffer[] = [];
  try {
    const form = new FormDataFile(contentType, (content) => stored.push(Buffer.from(content)));
    for (const piece of pieces) form.write(Buffer.isBuffer(piece) ? piece : Buffer.from(piece, 'latin1'));
    form.end();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return Buffer.concat(stored);
}

const file = (content: string, disposition = 'form-data; name="file"; filename="foo.txt"') =>
  `--XX\r\nContent-Disposition: ${disposition}\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`;
const field = (name: string, value: string) =>
  `--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const end = '--XX--\r\n';

describe('a form with one file (RFC 7578)', () => {
  it.each([
    ['as curl -F sends it', [file('Hello thin-edge.io\n'), end], 'Hello thin-edge.io\n'],
    ['empty', [file(''), end], ''],
    [
      'empty, with the boundary right after the headers',
      ['--XX\r\nContent-Disposition: form-data; filename=a\r\n\r\n--XX--'],
      '',
    ],
    ['with nothing after the closing boundary', [file('x'), '--XX--'], 'x'],
    ['with a preamble and an epilogue', ['This is\r\na preamble\r\n', file('x'), `${end}an\r\n--XX\r\nepilogue`], 'x'],
    [
      'with white space after its boundaries',
      ['--XX \t\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--XX  \r\n', field('f', 'v').slice(6), end],
      'x',
    ],
    ['among form fields', [field('a', '1'), file('x'), field('b', '2'), end], 'x'],
    ['named by filename* only', [file('x', "form-data; name=f; filename*=UTF-8''%e2%82%ac"), end], 'x'],
    ['with an empty file name', [file('x', 'form-data; name=f; filename=""'), end], 'x'],
    ['with quotes in its names', [file('x', 'form-data; name="a;\\"b"; filename="c\\\\;\\".txt"'), end], 'x'],
    [
      'with header names in any case and a folded header',
      ['--XX\r\nCONTENT-disposition: form-data;\r\n  name=f; FileName=a\r\n\r\nx\r\n', end],
      'x',
    ],
    ['that says it is binary', [file('x').replace('text/plain', 'a/b\r\nContent-Transfer-Encoding: Binary'), end], 'x'],
    [
      'whose content looks much like the boundary',
      [file('\r\n--X\r\n-\r\n--XY\r\r\n--\r\n'), end],
      '\r\n--X\r\n-\r\n--XY\r\r\n--\r\n',
    ],
  ])('gives the content of a file %s', (_, pieces, content) => {
    const body = pieces.join('');
    expect(storedFrom([body]).toString()).toBe(content);
    expect(storedFrom([...body]).toString()).toBe(content);
  });

  it.each([
    ['multipart/form-data; boundary="XX"'],
    ['Multipart/Form-Data;BOUNDARY=XX;charset=utf-8'],
    ['multipart/form-data ; boundary = XX'],
  ])('reads the boundary out of %s', (contentType) => {
    expect(storedFrom([file('x'), end], contentType).toString()).toBe('x');
  });

  it('accepts a boundary of 70 characters, with all marks', () => {
    const boundary = `'()+_,-./:=?${' '.repeat(20)}${'b'.repeat(38)}`;
    const body = `--${boundary}\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--${boundary}--`;
    expect(boundary).toHaveLength(70);
    expect(storedFrom([body], `multipart/form-data; boundary="${boundary}"`).toString()).toBe('x');
  });

  it('gives the same bytes whatever the content and however it is cut', () => {
    // Bytes of delimiters are frequent, so that parts of a delimiter occur often.
    const nearMiss = fc.array(fc.constantFrom('\r', '\n', '-', 'X', '\r\n', '--', '\r\n--', '\r\n--X', 'a'), {
      maxLength: 60,
    });
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      nearMiss.map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(content, fc.array(fc.nat(500), { maxLength: 12 }), (bytes, cuts) => {
        fc.pre(!bytes.includes('\r\n--XX') && !bytes.subarray(0, 4).equals(Buffer.from('--XX')));
        const body = Buffer.concat([
          Buffer.from(field('a', '1') + file('').slice(0, -2)),
          bytes,
          Buffer.from(`\r\n${end}`),
        ]);
        const at = [0, ...cuts.map((cut) => cut % body.length).sort((one, other) => one - other), body.length];
        const stored = storedFrom(at.slice(1).map((stop, index) => body.subarray(at[index], stop)));
        expect(Buffer.isBuffer(stored) && stored.equals(bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws anything but a refusal, whatever comes in', () => {
    const parts = fc.constantFrom(
      '--XX',
      '--XX\r\n',
      '--XX--',
      '\r\n',
      '\r\n\r\n',
      ': ',
      ';',
      '"',
      'Content-Disposition: form-data',
      'filename=a',
      ' ',
      'x',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (pieces) => {
        const outcome = storedFrom(pieces);
        expect(
          Buffer.isBuffer(outcome) || /^(The body is not|The form holds|A part of|The file part)/.test(outcome),
        ).toBe(true);
        expect(storedFrom([pieces.join('')])).toEqual(outcome);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a form that is refused', () => {
  const invalid = (fault: string) => `The body is not a valid multipart/form-data body: ${fault}.`;
  const noBoundary = invalid('its Content-Type has no boundary of 1 to 70 permitted characters');

  it.each([
    ['no boundary', 'multipart/form-data'],
    ['an empty boundary', 'multipart/form-data; boundary='],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'b'.repeat(71)}`],
    ['a boundary that ends in a space', 'multipart/form-data; boundary="b "'],
    ['a boundary with a line end', 'multipart/form-data; boundary="a\r\nb"'],
    ['a boundary with characters beyond ASCII', 'multipart/form-data; boundary="ü"'],
    ['a boundary with a quote', 'multipart/form-data; boundary="a\\"b"'],
  ])('has %s', (_, contentType) => {
    expect(storedFrom([file('x'), end], contentType)).toBe(noBoundary);
  });

  it.each([
    ['is empty', [], invalid('the announced boundary does not occur in it')],
    ['is no form at all', ['{"a": 1}'], invalid('the announced boundary does not occur in it')],
    ['has another boundary', ['--YY\r\n\r\nx\r\n--YY--'], invalid('the announced boundary does not occur in it')],
    [
      'has line ends without carriage return',
      [file('x').replaceAll('\r', ''), '--XX--'],
      invalid('a boundary is followed by something else than the end of its line'),
    ],
    ['ends within the file', [file('x')], invalid('it ends without the closing boundary')],
    [
      'ends within the headers',
      ['--XX\r\nContent-Disposition: form-data'],
      invalid('it ends without the closing boundary'),
    ],
    ['ends within a boundary', [file('x'), '--X'], invalid('it ends without the closing boundary')],
    [
      'has something after a boundary',
      ['--XXY\r\n\r\nx\r\n--XX--'],
      invalid('a boundary is followed by something else than the end of its line'),
    ],
    [
      'has endless white space after a boundary',
      ['--XX', ' '.repeat(300)],
      invalid('a boundary is followed by something else than the end of its line'),
    ],
    [
      'has endless headers',
      ['--XX\r\nA: ', 'x'.repeat(17_000)],
      invalid('the headers of a part are longer than 16384 bytes'),
    ],
    [
      'holds no part',
      [end],
      'The form holds no file: none of its parts has a file name. With curl, use -F "file=@PATH" or -T PATH.',
    ],
    [
      'holds fields only',
      [field('filename', 'filename=x'), end],
      'The form holds no file: none of its parts has a file name. With curl, use -F "file=@PATH" or -T PATH.',
    ],
    [
      'holds a part that only mentions a file name',
      [file('x', 'form-data; name="; filename=y"'), end],
      'The form holds no file: none of its parts has a file name. With curl, use -F "file=@PATH" or -T PATH.',
    ],
    [
      'holds two files',
      [file('x'), file('y'), end],
      'The form holds more than one file; one path stores one file. Send them one by one.',
    ],
    [
      'holds a part without headers',
      ['--XX\r\n\r\nx\r\n', end],
      'A part of the form has no "Content-Disposition: form-data" header.',
    ],
    [
      'holds an attachment',
      [file('x', 'attachment; filename=a'), end],
      'A part of the form has no "Content-Disposition: form-data" header.',
    ],
    [
      'holds a file in base64',
      [file('eA==').replace('text/plain', 'a/b\r\nContent-Transfer-Encoding: base64'), end],
      'The file part is encoded as "base64"; send it as binary.',
    ],
    [
      'holds a field of more than 1 MiB',
      [field('a', 'v'.repeat(1_100_000)), file('x'), end],
      'The form holds more than 1048576 bytes beside its file.',
    ],
    [
      'has a preamble of more than 1 MiB',
      ['p'.repeat(1_100_000), file('x'), end],
      'The form holds more than 1048576 bytes beside its file.',
    ],
  ])('%s', (_, pieces, message) => {
    expect(storedFrom(pieces)).toBe(message);
    if (pieces.join('').length < 1000) expect(storedFrom([...pieces.join('')])).toBe(message);
  });

  it('has 20,000 empty parts, refused by their bytes', () => {
    const part = '--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n';
    expect(storedFrom([part.repeat(25_000), file('x'), end])).toBe(
      'The form holds more than 1048576 bytes beside its file.',
    );
  });
});
