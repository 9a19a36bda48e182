import { errorCode } from '@sallyport/files';
import { Problem, type ProblemType } from '@sallyport/protocol';
import { invalidPath, isDirectory, isNotEmpty, nameTooLong } from './storage-path.js';

/**
 * Says what a caller can do about a failed system call. What only an operator can mend comes back as it is: no right to
 * the folder (EACCES, EPERM), a file system that has become read-only (EROFS), a broken disk (EIO).
 *
 * @param text the path as the peer asked for it
 */
export function explainFault(error: unknown, text: string): unknown {
  const code = errorCode(error) ?? '';
  const explain = code === 'EINVAL' && !isAboutName(error) ? undefined : explanations.get(code);
  return explain === undefined ? error : explain(text, error);
}

/** Of a call that gives something a name; of any other, EINVAL is a fault of ours. */
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
  // A folder holds as many folders as the file system lets it.
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
  // vfat and its kind, and file systems that take nothing but UTF-8, refuse names that others hold.
  ['EILSEQ', nameRefused],
  ['EINVAL', nameRefused],
  // thin-edge.io answers 500. It is the client's fault, and clients repeat what was answered 500.
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
  // POSIX lets rmdir answer so instead of ENOTEMPTY.
  ['EEXIST', (text, cause) => isNotEmpty(text, { cause })],
  ['EBUSY', problem('conflict', (quoted) => `${quoted} is in use by the system, such as a mount point. It stays.`)],
  ['ELOOP', (text, cause) => invalidPath(text, { cause })],
]);
