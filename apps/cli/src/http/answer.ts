import type { IncomingMessage } from 'node:http';
import type { CliContext, CliOutput } from '../cli-context.js';
import { ExitStatus, Failure } from '../failure.js';
import { withoutControls } from '../output.js';

/** Enough of an error for a person; a hostile server may send more. */
const longestErrorBytes = 64 * 1024;

/** True for 2xx. */
export function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/**
 * Writes the body of an answer to standard output as it comes, byte for byte.
 *
 * @returns how many bytes it has
 */
export async function writeBody({ stdout, signal }: CliContext, answer: IncomingMessage): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      signal.throwIfAborted();
      bytes += chunk.length;
      await write(stdout, chunk, signal);
    }
    return bytes;
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure(
      `The answer ended too early, after ${bytes} bytes.`,
      'Try again; the log of the service says why.',
      {
        cause: error,
      },
    );
  }
}

/** Waits for a slow reader. */
function write(stdout: CliOutput, chunk: Uint8Array, signal: AbortSignal): Promise<void> | undefined {
  if (stdout.write(chunk) !== false || stdout.once === undefined) return undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  stdout.once('drain', () => resolve());
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

/** The status of an answer that is no success, in the words of thin-edge.io: `HTTP client error: 404 Not Found`. */
export function statusLine({ statusCode = 0, statusMessage = '' }: IncomingMessage): string {
  const kind = statusCode >= 500 ? 'HTTP server error' : statusCode >= 400 ? 'HTTP client error' : 'HTTP error';
  return `${kind}: ${statusCode} ${statusMessage}`.trimEnd();
}

/** The first part of a body as text. */
export async function errorText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let left = longestErrorBytes;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) break;
    }
  } catch {
    // The status is known, and a part of the text is better than none.
    return Buffer.concat(chunks).toString();
  }
  return Buffer.concat(chunks).toString();
}

/** Tells on stderr the status and then the body, and ends with exit code 1. Scripts of thin-edge.io read it so. */
export async function failWithAnswer(
  { stderr }: Pick<CliContext, 'stderr'>,
  answer: IncomingMessage,
  { json }: { readonly json: boolean },
): Promise<never> {
  const [what, text] = [withoutControls(statusLine(answer)), await errorText(answer)];
  if (json) stderr.write(`${JSON.stringify({ error: { what, remedy: '', type: 'failed', body: text } })}\n`);
  else stderr.write(`${what}\n${withoutControls(text)}${text.endsWith('\n') || text === '' ? '' : '\n'}`);
  throw new ExitStatus(1);
}
