import { decode } from '@sallyport/client-ca';
import { readOperatorFile } from '@sallyport/files';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { inputPieces } from '../input-text.js';
import { absolutePath } from '../options.js';

/** More than any bundle of certificates that a person handles. */
const longestInput = 1024 * 1024;

const nameTheFile = 'Name the file of the certificate, or of the revocation list.';

/**
 * The bytes of a file that should hold a certificate or a revocation list; with `-`, of standard input.
 *
 * @throws Failure: there is no such file, it cannot be read, or it is too large
 */
export async function certificateInput(context: CliContext, file: string): Promise<Buffer> {
  if (file === '-') return bytesOfInput(context);
  const path = absolutePath(context, file);
  const reading = await readOperatorFile(path);
  if (reading.state === 'missing') throw new Failure(`There is no file ${path}.`, nameTheFile);
  if (reading.state !== 'file') throw new Failure(`${path} ${reading.fault}.`, nameTheFile);
  if (reading.stats.size > longestInput) throw tooLarge(path);
  // The reader has kept every byte as one character.
  return Buffer.from(reading.text, 'latin1');
}

async function bytesOfInput(context: CliContext): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of inputPieces(context)) {
    const bytes = Buffer.from(piece);
    length += bytes.length;
    if (length > longestInput) throw tooLarge('The input');
    pieces.push(bytes);
  }
  return Buffer.concat(pieces);
}

function tooLarge(what: string): Failure {
  return new Failure(
    `${what} has more than ${longestInput} bytes, so it is neither a certificate nor a revocation list.`,
    nameTheFile,
  );
}

/**
 * The same bytes, which are to be sent to a service.
 *
 * @throws Failure: a private key is among them, which no service needs
 */
export function withoutKey(context: CliContext, bytes: Buffer, file: string): Buffer {
  const { items } = decode({ base64: bytes.toString('base64') }, context.now());
  if (items.every(({ kind }) => kind !== 'private-key')) return bytes;
  throw new Failure(
    `${file} holds a private key. It has not been sent to anybody.`,
    'Name a file with the certificate only. A key that left its place should be replaced.',
  );
}
