import type { LoadOptions } from './load-settings.js';

/** What a process was started with, in the form `loadSettings` takes it. */
export interface ProcessArguments {
  readonly env: LoadOptions['env'];
  readonly cwd: string;
  readonly options: Pick<LoadOptions, 'argv' | 'configDir'>;
}

/** The environment, working directory and flags of this process: the one place that reads them. */
export function processArguments(): ProcessArguments {
  return { env: { ...process.env }, cwd: process.cwd(), options: { argv: process.argv.slice(2) } };
}
