import type { FileStorage } from '../file-storage/file-storage.js';
import { answer } from './answer.js';
import type { FileExchange } from './exchange.js';
import { versionCheck } from './preconditions.js';

/**
 * Answers DELETE: 202, whether or not there was a file.
 *
 * @throws Problem `not-found`: a folder; `precondition-failed`.
 */
export async function answerDelete(
  exchange: FileExchange,
  { storage, nowMs }: { storage: FileStorage; nowMs: () => number },
): Promise<void> {
  await storage.remove(exchange.path, versionCheck(exchange, nowMs));
  answer(exchange, { status: 202 });
}
