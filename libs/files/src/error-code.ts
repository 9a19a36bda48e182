/** The code of a failed system call, such as `ENOENT`; undefined for other errors. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a system call failed with one of these codes, such as `EACCES`. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = errorCode(error);
  return code !== undefined && codes.includes(code);
}

/** Whether a system call failed because there is no such file: no such name (ENOENT), or a file where a folder must be (ENOTDIR). */
export function isAbsent(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR');
}

/** Whether a system call failed because there is no room: the disk is full (ENOSPC), or the quota of the user is used up (EDQUOT). */
export function isDiskFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC', 'EDQUOT');
}

/** What to call a failure in a sentence: `ENOENT` and its like, else the error's own message. */
export function codeOrMessage(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : String(error));
}
