import { addAbortListener } from 'node:events';
import type { CliContext } from './cli-context.js';

/**
 * The input of the command, typed or piped, piece by piece until its end.
 *
 * @throws the reason of the context's signal once that is aborted: Ctrl-C need not wait for a line to be typed
 */
export async function* inputText({ stdin, signal }: CliContext): AsyncGenerator<string, void> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  const pieces = stdin[Symbol.asyncIterator]();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), interrupted]);
      if (next.done === true) return;
      yield typeof next.value === 'string' ? next.value : decoder.decode(next.value, { stream: true });
    }
  } finally {
    // An interrupted read still waits for input, and closing would wait for it.
    if (!signal.aborted) await pieces.return?.();
  }
}
