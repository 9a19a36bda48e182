import { dirname } from 'node:path';
import { errorCode, hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { CommanderError } from 'commander';
import { asUser, foreignOwner } from './file-owner.js';

/** A command that cannot do what was asked: one sentence what happened, one what to do about it. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;

  constructor(
    what: string,
    readonly remedy: string,
    options: ErrorOptions & { readonly exitCode?: number } = {},
  ) {
    super(what, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

/** A command line that cannot be understood. Nothing was done. */
export class UsageFault extends Failure {
  constructor(
    what: string,
    remedy: string,
    /** For people: the help of the group that was called without a command. */
    readonly help?: string,
  ) {
    super(what, remedy, { exitCode: 2 });
  }
}

/** Ends a command with an exit code. Everything else has been printed already. */
export class ExitStatus extends Error {
  override readonly name = 'ExitStatus';

  constructor(readonly exitCode: number) {
    super(`exit status ${exitCode}`);
  }
}

/** Ctrl-C at a terminal in raw mode, where the system sends no signal for it. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
}

/** A fault in the words shown to the user. */
export interface FaultReport {
  readonly what: string;
  readonly remedy: string;
  /** Stable slug for programs (`--json`). */
  readonly type: string;
}

/** 1: it failed; 2: it was called wrongly; 130: Ctrl-C, as shells report it. */
export function exitCodeOf(fault: unknown, isInterrupted: boolean): number {
  if (fault instanceof ExitStatus) return fault.exitCode;
  // Help and version were printed. Wrong calls are faults of ours.
  if (fault instanceof CommanderError) return fault.exitCode;
  if (isInterrupted) return 130;
  return fault instanceof Failure ? fault.exitCode : 1;
}

/** Undefined for faults that have been reported already. */
export function describeFault(fault: unknown): FaultReport | undefined {
  if (fault instanceof ExitStatus || fault instanceof CommanderError) return undefined;
  if (fault instanceof UsageFault) return { what: fault.message, remedy: fault.remedy, type: 'usage' };
  if (fault instanceof Failure) return { what: fault.message, remedy: fault.remedy, type: 'failed' };
  if (fault instanceof Problem) return describeProblem(fault);
  return describeSystemError(fault) ?? describeUnexpected(fault);
}

function describeProblem(fault: Problem): FaultReport {
  const { what, remedy } = firstSentence(fault.message);
  return { what, remedy: foreignRemedy(fault.cause, 'COMMAND') ?? remedy, type: fault.type };
}

/**
 * What to do about a file that another user keeps us from: only that user, or root, can use it.
 *
 * @param command words behind the name of the program
 * @returns undefined for every other fault
 */
export function foreignRemedy(fault: unknown, command: string): string | undefined {
  if (!hasCode(fault, 'EACCES') || !(fault instanceof Error)) return undefined;
  const path = pathIn(fault);
  const owner = path === undefined ? undefined : foreignOwner(path);
  if (path === undefined || owner === undefined) return undefined;
  return `${shortened(dirname(path))} belongs to ${owner}. Run the command so: ${asUser(owner, command)}`;
}

function firstSentence(text: string): { what: string; remedy: string } {
  if (text.includes('\n')) return { what: text, remedy: '' };
  const end = text.search(/[.;] (?=[A-Z])/);
  return end < 0 ? { what: text, remedy: '' } : { what: text.slice(0, end + 1), remedy: text.slice(end + 2) };
}

const systemErrors: Readonly<Record<string, { what: string; remedy: string }>> = {
  EACCES: {
    what: 'permission denied',
    remedy: 'Run it as the owner of the file (sudo), or choose another --config-dir.',
  },
  EPERM: { what: 'operation not permitted', remedy: 'Run it as the owner of the file (sudo).' },
  ENOENT: { what: 'no such file or directory', remedy: 'Check the path, or create the directory first.' },
  ENOTDIR: { what: 'a part of the path is a file', remedy: 'Check the path.' },
  EISDIR: { what: 'it is a directory', remedy: 'Give the path of a file.' },
  ENODEV: { what: 'it is a pipe or a device', remedy: 'Give the path of a regular file.' },
  ENAMETOOLONG: { what: 'the name is too long', remedy: 'Check the path: a name has at most 255 bytes.' },
  ELOOP: { what: 'the path leads in a circle of links', remedy: 'Check the links in the path.' },
  EIO: { what: 'the disk reports an error', remedy: 'Check the disk (dmesg), and run the command again.' },
  EMFILE: { what: 'too many files are open', remedy: 'Close programs, or raise the limit (ulimit -n).' },
  EROFS: { what: 'the file system is read-only', remedy: 'Choose a --config-dir that can be written.' },
  ENOSPC: { what: 'the disk is full', remedy: 'Free some space and run the command again.' },
  EDQUOT: { what: 'the disk quota is used up', remedy: 'Free some space and run the command again.' },
};

function describeSystemError(fault: unknown): FaultReport | undefined {
  const code = errorCode(fault) ?? '';
  const known = systemErrors[code];
  if (known === undefined || !(fault instanceof Error)) return undefined;
  const owner = code === 'EACCES' || code === 'EPERM' ? foreignOwner(pathIn(fault) ?? '') : undefined;
  const remedy = owner === undefined ? known.remedy : `It belongs to ${owner}. Run the command so: ${asUser(owner)}`;
  return { what: `${placeOf(fault)}${known.what}.`, remedy, type: 'failed' };
}

/** The file that was to be written: the user does not know its temporary name. */
function placeOf(fault: Error): string {
  const path = pathIn(fault);
  return path === undefined ? '' : `${shortened(path)}: `;
}

function pathIn(fault: Error): string | undefined {
  if ('dest' in fault && typeof fault.dest === 'string') return fault.dest;
  return 'path' in fault && typeof fault.path === 'string' ? fault.path : undefined;
}

const longestShown = 300;

/** What the user typed, shortened so that the reason is seen too. */
function shortened(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

function describeUnexpected(fault: unknown): FaultReport {
  const what = fault instanceof Error ? fault.message : String(fault);
  return { what: `Unexpected failure: ${what}`, remedy: 'Report it with the command you ran.', type: 'internal' };
}
