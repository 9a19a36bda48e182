import type { FileStorage } from '../file-storage/file-storage.js';
import { answer } from './answer.js';
import type { FileExchange } from './exchange.js';
import { versionCheck } from './preconditions.js';

/**
 * Answers DELETE of a file or an empty folder with 202, also when there was none.
 *
 * @throws Problem `not-found`: the path is the root; `conflict`: the folder is not empty; `precondition-failed`.
 */
export async function answerDelete(
  exchange: FileExchange,
  { storage, nowMs }: { storage: FileStorage; nowMs: () => number },
): Promise<void> {
  await storage.remove(exchange.path, versionCheck(exchange, nowMs));
  answer(exchange, { status: 202 });
}
