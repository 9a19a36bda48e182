import type { CommandLog } from './command-log.js';

/** Where a command writes. */
export interface CliOutput {
  write(text: string): unknown;
  /** True on a terminal: progress is shown there and nowhere else. */
  readonly isTTY?: boolean;
}

/** Where a command reads, piece by piece. */
export interface CliInput extends AsyncIterable<string | Uint8Array> {
  readonly isTTY?: boolean;
  /** Terminals only: true gives every key to the program and shows none. Ctrl-C is a character then. */
  setRawMode?(isRaw: boolean): unknown;
}

/** Everything of the world outside that a command may touch, so that tests run commands without touching their own. */
export interface CliWorld {
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly stdin: CliInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path that relative arguments are resolved against. */
  readonly cwd: string;
  readonly now: () => Date;
  /** Aborted by Ctrl-C: a command under way stops, and takes back what it has half done. */
  readonly signal: AbortSignal;
  /** Name of the user who runs the program, as the system knows it; undefined when it does not. */
  readonly userName: string | undefined;
  /** How the user calls the program: `sallyport` or `tedge`. */
  readonly programName: string;
}

/** The world outside, and how much to say about what goes on. */
export interface CliContext extends CliWorld {
  readonly log: CommandLog;
}
