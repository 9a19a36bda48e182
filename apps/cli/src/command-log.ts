import type { CliOutput } from './cli-context.js';
import { withoutControls } from './output.js';

/** From the fewest lines to the most, as thin-edge.io names them. */
export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What a command logs on standard error, as far as `--log-level` and `--debug` ask for it. */
export class CommandLog {
  /** Before the command line is read, and when it sets no level. */
  level: LogLevel = 'info';

  /** @param asJson whether each line is a JSON document: `{"warning": …}` */
  constructor(
    private readonly stderr: CliOutput,
    private readonly asJson = false,
  ) {}

  /** What the user has to know to go on; one line, whatever the level is. */
  note(text: string): void {
    this.write('note', text, text);
  }

  /** What a person should know; one line. */
  warn(text: string): void {
    if (this.shows('warn')) this.write('warning', text, `Warning: ${text}`);
  }

  /** Logs what helps to find a fault; one line, never a secret. */
  debug(text: string): void {
    if (this.shows('debug')) this.write('debug', text, `Debug: ${text}`);
  }

  /** The errors behind a failure, the nearest first. */
  debugCauses(fault: unknown): void {
    for (let cause = causeOf(fault); cause !== undefined; cause = causeOf(cause))
      this.debug(`caused by: ${codeIn(cause)}${cause.message}`);
  }

  private shows(level: LogLevel): boolean {
    return logLevels.indexOf(level) <= logLevels.indexOf(this.level);
  }

  private write(kind: string, text: string, line: string): void {
    this.stderr.write(`${this.asJson ? JSON.stringify({ [kind]: text }) : withoutControls(line)}\n`);
  }
}

function causeOf(fault: unknown): Error | undefined {
  return fault instanceof Error && fault.cause instanceof Error ? fault.cause : undefined;
}

function codeIn(error: Error): string {
  return 'code' in error ? `${String(error.code)}: ` : '';
}
