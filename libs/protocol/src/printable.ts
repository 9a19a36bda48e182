/**
 * Controls, format characters (zero-width, bidirectional), line and paragraph separators, lone surrogates: everything
 * that can forge a log line or hide a part of a name.
 */
export const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Longest text `printable` returns, in UTF-16 units, as the audit log takes it. */
const longestText = 256;

/**
 * Makes text that came from a stranger safe for one line of a log: unprintable characters become `\u{hex}`, and it is
 * cut to 256 characters.
 */
export function printable(text: string): string {
  const escaped = text
    .slice(0, longestText)
    .replace(unprintable, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
  return escaped.length > longestText ? `${escaped.slice(0, longestText - 1)}…` : escaped;
}

/**
 * Makes text that came from a stranger safe for one line of a terminal: each unprintable character, and each that no
 * terminal knows (unassigned, private use), becomes a blank. Nothing is cut.
 */
export function blankUnprintable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ');
}
