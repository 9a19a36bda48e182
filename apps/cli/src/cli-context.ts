import type { CommandLog } from './command-log.js';

/** Where a command writes. */
export interface CliOutput {
  /** False when the reader is slow, and the writer has to wait for `drain`. */
  write(text: string | Uint8Array): unknown;
  once?(event: 'drain', listener: () => void): unknown;
  /** True on a terminal. Progress is shown on a terminal only. */
  readonly isTTY?: boolean;
}

/** Where a command reads, piece by piece. */
export interface CliInput extends AsyncIterable<string | Uint8Array> {
  readonly isTTY?: boolean;
  /** For terminals only: with true, the program gets every key and nothing is shown. Ctrl-C is then a character. */
  setRawMode?(isRaw: boolean): unknown;
}

/** Everything outside the program that a command may use. Tests pass their own. */
export interface CliWorld {
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly stdin: CliInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path that relative arguments are resolved against. */
  readonly cwd: string;
  readonly now: () => Date;
  /** Aborted by Ctrl-C. A running command then stops, and undoes what it has half done. */
  readonly signal: AbortSignal;
  /** Name of the user who runs the program, as the system knows it; undefined when it does not. */
  readonly userName: string | undefined;
  /** How the user calls the program: `sallyport` or `tedge`. */
  readonly programName: string;
}

/** What is outside the program, and the log of the command. */
export interface CliContext extends CliWorld {
  readonly log: CommandLog;
  /** A text of ours with its commands as the user types them: the name of the program, and its directory. */
  readonly typed: (text: string) => string;
}
