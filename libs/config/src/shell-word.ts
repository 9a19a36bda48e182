const plainWord = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell reads it. */
export function quoted(word: string): string {
  return plainWord.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
