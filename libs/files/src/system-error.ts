import { errorCode } from './error-code.js';

/** An error in the form of the system's own: `ENODEV: not a regular file, read '/a/pipe'`. */
export function systemError(code: string, meaning: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${meaning} '${path}'`), { code, path });
}

/** The same failure, about the file a person knows: its temporary name means nothing to anybody. */
export function named(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code === undefined || !(error instanceof Error)) return error;
  const meaning = error.message.replace(/^[A-Z0-9]+: /, '').replace(/ '.*$/s, '');
  return Object.assign(new Error(`${code}: ${meaning} '${path}'`, { cause: error }), { code, path });
}
