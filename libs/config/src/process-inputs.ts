/** What a process was started with. */
export interface ProcessInputs {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Arguments behind the program's name. */
  readonly argv: readonly string[];
}

/** The environment, working directory and arguments of this process: the one place that reads them. */
export function processInputs(): ProcessInputs {
  return { env: { ...process.env }, cwd: process.cwd(), argv: process.argv.slice(2) };
}
