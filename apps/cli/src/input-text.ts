import { addAbortListener } from 'node:events';
import type { CliContext } from './cli-context.js';

/**
 * The input of the command, typed or piped, piece by piece until its end.
 *
 * @throws the reason of the context's signal once that is aborted: Ctrl-C need not wait for a line to be typed
 */
export async function* inputText(context: CliContext): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  for await (const piece of inputPieces(context))
    yield typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true });
}

/** The same, as it comes: bytes for what is no text. */
export async function* inputPieces({ stdin, signal }: CliContext): AsyncGenerator<string | Uint8Array, void> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  const pieces = stdin[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), interrupted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // An interrupted read still waits for input, and closing would wait for it.
    if (!signal.aborted) await pieces.return?.();
  }
}
