import { writeFileAtomic } from './atomic-file.js';

const newFileMode = 0o644;

/**
 * Replaces a text file as a whole, as `writeFileAtomic` does. A new file gets mode 0644.
 *
 * @param options.model a file whose mode and owner a new file gets, when there is one.
 */
export async function replaceTextFile(path: string, text: string, options: { model?: string } = {}): Promise<void> {
  await writeFileAtomic(path, text, { mode: newFileMode, ...options });
}
