import { Problem } from '@sallyport/protocol';
import { invalidPath, nameTooLong } from './storage-path.js';

/** The code of a failed system call, such as `ENOENT`. */
export function faultCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** True when a path names nothing because it, or a folder on its way, does not exist. */
export function isAbsence(error: unknown): boolean {
  const code = faultCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Says what a caller can do about a failed system call; what only an operator can mend comes back as it is. */
export function explainFault(error: unknown, text: string): unknown {
  switch (faultCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Problem(
        'storage-full',
        `No space left to store ${JSON.stringify(text)}; nothing was changed. Delete files, or make room on the disk.`,
        { cause: error },
      );
    case 'EFBIG':
      return new Problem(
        'too-large',
        `${JSON.stringify(text)} is larger than a file can be where it is to be stored; nothing was changed.`,
        { cause: error },
      );
    case 'EMFILE':
    case 'ENFILE':
      return new Problem('unavailable', 'Too many files are open at the moment. Try again in a few seconds.', {
        cause: error,
        retryAfterSeconds: 5,
      });
    case 'ENAMETOOLONG':
      return nameTooLong(text, { cause: error });
    case 'ENOTDIR':
      // A file stands where a folder is needed. thin-edge.io answers so, but it is the peer's fault and not ours.
      return new Problem('internal', 'Internal error', { cause: error });
    case 'ELOOP':
      return invalidPath(text, { cause: error });
    default:
      return error;
  }
}
