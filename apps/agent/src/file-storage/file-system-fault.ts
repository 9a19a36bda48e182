import { errorCode } from '@sallyport/files';
import { Problem, type ProblemType } from '@sallyport/protocol';
import { invalidPath, isDirectory, isNotEmpty, nameTooLong } from './storage-path.js';

/**
 * Turns a failed system call into a problem that says what the caller can do. Errors that only an operator can repair
 * are returned unchanged: no permission (EACCES, EPERM), a read-only file system (EROFS), a broken disk (EIO).
 *
 * @param text the path as the peer wrote it
 */
export function explainFault(error: unknown, text: string): unknown {
  const code = errorCode(error) ?? '';
  const explain = code === 'EINVAL' && !isAboutName(error) ? undefined : explanations.get(code);
  return explain === undefined ? error : explain(text, error);
}

/** Errors of calls that create a name. For other calls, EINVAL is our own error. */
function isAboutName(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && (error.syscall === 'rename' || error.syscall === 'mkdir');
}

type Explanation = (text: string, cause: unknown) => Problem;

function problem(type: ProblemType, sentence: (quoted: string) => string, retryAfterSeconds?: number): Explanation {
  return (text, cause) =>
    new Problem(type, sentence(JSON.stringify(text)), {
      cause,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    });
}

const noSpace = problem(
  'storage-full',
  (quoted) => `No space left to store ${quoted}; nothing was changed. Delete files, or make room on the disk.`,
);
const tooManyOpen = problem(
  'unavailable',
  () => 'Too many files are open at the moment. Try again in a few seconds.',
  5,
);
const noMemory = problem('unavailable', () => 'There is no memory left at the moment. Try again in a few seconds.', 5);
const nameRefused = problem(
  'invalid-request',
  (quoted) => `The file system cannot hold the name ${quoted}. Use letters, digits, ".", "-" and "_".`,
);

const explanations: ReadonlyMap<string, Explanation> = new Map<string, Explanation>([
  ['ENOSPC', noSpace],
  ['EDQUOT', noSpace],
  // The file system limits the number of folders in a folder.
  ['EMLINK', noSpace],
  [
    'EFBIG',
    problem(
      'too-large',
      (quoted) => `${quoted} is larger than a file can be where it is to be stored; nothing was changed.`,
    ),
  ],
  ['EMFILE', tooManyOpen],
  ['ENFILE', tooManyOpen],
  ['ENOMEM', noMemory],
  ['ENAMETOOLONG', (text, cause) => nameTooLong(text, { cause })],
  // vfat, and file systems that accept only UTF-8, refuse names that other file systems accept.
  ['EILSEQ', nameRefused],
  ['EINVAL', nameRefused],
  // thin-edge.io answers 500. We do not, because it is an error of the client, and clients repeat a request after 500.
  [
    'ENOTDIR',
    problem(
      'conflict',
      (quoted) =>
        `Cannot store ${quoted}: a part of this path is a file, and nothing can lie below a file. Delete that file, or use another path.`,
    ),
  ],
  ['EISDIR', (text, cause) => isDirectory('conflict', text, { cause })],
  ['ENOTEMPTY', (text, cause) => isNotEmpty(text, { cause })],
  // POSIX allows rmdir to return EEXIST instead of ENOTEMPTY.
  ['EEXIST', (text, cause) => isNotEmpty(text, { cause })],
  ['EBUSY', problem('conflict', (quoted) => `${quoted} is in use by the system, such as a mount point. It stays.`)],
  ['ELOOP', (text, cause) => invalidPath(text, { cause })],
]);
