import { hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import type { LoadOptions } from './load-settings.js';

/** What a process was started with, in the form `loadSettings` takes it. */
export interface ProcessArguments {
  readonly env: LoadOptions['env'];
  readonly cwd: string;
  readonly options: Pick<LoadOptions, 'argv' | 'configDir'>;
}

/** The environment, working directory and flags of this process: the one place that reads them. */
export function processArguments(): ProcessArguments {
  return { env: { ...process.env }, cwd: workingFolder(), options: { argv: process.argv.slice(2) } };
}

/**
 * Where relative paths count from.
 *
 * @throws Problem `config-invalid`: somebody has deleted the folder this process was started in
 */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause;
    throw new Problem('config-invalid', 'The working folder has been deleted. Go to another one: cd /', { cause });
  }
}
