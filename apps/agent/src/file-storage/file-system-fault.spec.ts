import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { explainFault } from './file-system-fault.js';

/** A failed system call as Node reports it. Its message contains the path on disk. */
function systemError(code: string, syscall = 'open'): Error {
  return Object.assign(new Error(`${code}: it failed, ${syscall} '/var/tedge/file-transfer/a/b'`), { code, syscall });
}

function answerTo(error: Error): unknown {
  const explained = explainFault(error, 'a/b');
  return explained instanceof Problem ? [explained.status, explained.message, explained.retryAfterSeconds] : explained;
}

describe('a system call that failed', () => {
  it.each([
    [
      'ENOTDIR',
      409,
      'Cannot store "a/b": a part of this path is a file, and nothing can lie below a file. Delete that file, or use another path.',
    ],
    ['EISDIR', 409, 'Not a file: "a/b" is a directory'],
    [
      'ENOTEMPTY',
      409,
      'Not empty: "a/b" is a directory with something in it. Delete that first; an upload still under way ends by itself.',
    ],
    ['EBUSY', 409, '"a/b" is in use by the system, such as a mount point. It stays.'],
    ['ELOOP', 404, 'Invalid path: "a/b"'],
    [
      'ENAMETOOLONG',
      400,
      'Path too long: "a/b" has a part of more than 255 bytes, or more than 4096 bytes in all. Use shorter names.',
    ],
    ['EILSEQ', 400, 'The file system cannot hold the name "a/b". Use letters, digits, ".", "-" and "_".'],
    ['EFBIG', 413, '"a/b" is larger than a file can be where it is to be stored; nothing was changed.'],
  ])('%s is the fault of the client, answered %i in words', (code, status, text) => {
    expect(answerTo(systemError(code))).toEqual([status, text, undefined]);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EMLINK'])('%s is answered 507', (code) => {
    expect(answerTo(systemError(code))).toEqual([
      507,
      'No space left to store "a/b"; nothing was changed. Delete files, or make room on the disk.',
      undefined,
    ]);
  });

  it.each(['EMFILE', 'ENFILE', 'ENOMEM'])('%s passes, and is answered 503 with Retry-After', (code) => {
    expect(answerTo(systemError(code))).toEqual([503, expect.stringMatching(/Try again in a few seconds\.$/), 5]);
  });

  it.each(['EACCES', 'EPERM', 'EROFS', 'EIO', 'EXDEV'])('%s is for the operator, who reads it in the log', (code) => {
    const error = systemError(code);
    expect(explainFault(error, 'a/b')).toBe(error);
  });

  it.each([
    ['rename', true],
    ['mkdir', true],
    ['write', false],
  ])('EINVAL of %s is about the name: %s', (syscall, isAboutName) => {
    expect(explainFault(systemError('EINVAL', syscall), 'a/b') instanceof Problem).toBe(isAboutName);
  });
});
