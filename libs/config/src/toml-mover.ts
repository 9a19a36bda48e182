import { isDeepStrictEqual } from 'node:util';
import { leavesOf, parseToml } from './toml.js';
import { editToml } from './toml-editor.js';
import { lineEnd, type Pair, type Section, scanToml } from './toml-scanner.js';

/** A document and what to call it in errors. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** A value, how it is spelled, and the comments that stand directly above it and behind it. */
interface Moved {
  readonly path: readonly string[];
  readonly literal: string;
  readonly above: readonly string[];
  readonly behind: string;
}

/**
 * Moves values from one TOML document to another, in the same spelling, with the comments directly above and behind them.
 * A header with nothing left below it is removed. Everything else in both documents stays as it is.
 *
 * @param paths of values the target does not have.
 * @throws Problem `config-invalid`: a document is not valid TOML, or the target has no room for one of the values.
 */
export function moveToml(from: NamedText, to: NamedText, paths: readonly (readonly string[])[]): [string, string] {
  let [source, target] = [from.text, to.text];
  for (const path of paths) {
    const pair = pairAt(source, path);
    const value = leavesOf(parseToml(source, from.name)).find((leaf) => isDeepStrictEqual(leaf.path, path))?.value;
    if (pair === undefined || value === undefined) continue;
    const moved = movedFrom(source, pair);
    const added = editToml(target, { path, value, literal: moved.literal, name: to.name });
    target = unlessChanged(added, withComments(added, moved));
    const removed = editToml(source, { path, value: undefined, name: from.name });
    source = unlessChanged(removed, withoutRemains(source, pair, removed));
  }
  return [source, target];
}

function pairAt(text: string, path: readonly string[]): Pair | undefined {
  return scanToml(text).pairs.find((pair) => !pair.section.isRepeated && isDeepStrictEqual(pair.path, path));
}

function movedFrom(text: string, pair: Pair): Moved {
  const { path, valueStart, valueEnd, container } = pair;
  const literal = text.slice(valueStart, valueEnd);
  if (container !== undefined) return { path, literal, above: [], behind: '' };
  const rest = text.slice(valueEnd, lineEnd(text, valueEnd)).trim();
  const lines = text.slice(commentStart(text, pair), lineStart(text, pair.keyStart)).split(/\r?\n/);
  return { path, literal, above: lines.slice(0, -1).map((line) => line.trim()), behind: rest };
}

/** Where the comments begin that stand directly above a value. */
function commentStart(text: string, { keyStart }: Pair): number {
  let start = lineStart(text, keyStart);
  for (;;) {
    const before = lineStart(text, start - 1);
    if (start === 0 || !text.slice(before, start).trimStart().startsWith('#')) return start;
    start = before;
  }
}

function lineStart(text: string, offset: number): number {
  return offset <= 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
}

function withComments(text: string, { path, above, behind }: Moved): string {
  const pair = pairAt(text, path);
  if (pair === undefined || pair.container !== undefined) return text;
  const start = lineStart(text, pair.keyStart);
  const comments = above.map((line) => `${line}\n`).join('');
  const end = behind === '' ? '' : ` ${behind}`;
  return `${text.slice(0, start)}${comments}${text.slice(start, pair.valueEnd)}${end}${text.slice(pair.valueEnd)}`;
}

/** The document without the value's line, its comments, and its header when nothing else stands below that. */
function withoutRemains(text: string, pair: Pair, removed: string): string {
  if (pair.container !== undefined) return removed;
  const rest = text.slice(0, commentStart(text, pair)) + text.slice(lineEnd(text, pair.valueEnd));
  return withoutEmptySection(rest, pair.section);
}

function withoutEmptySection(text: string, { path, headerEnd }: Section): string {
  const { sections } = scanToml(text);
  const index = sections.findIndex(
    (section) => section.headerEnd === headerEnd && isDeepStrictEqual(section.path, path),
  );
  const next = sections[index + 1];
  const end = next === undefined ? text.length : lineStart(text, next.headerEnd);
  if (index < 1 || text.slice(headerEnd, end).trim() !== '') return text;
  return text.slice(0, lineStart(text, headerEnd)) + text.slice(end);
}

/** Checks what was done to comments and headers: the document must still mean the same. */
function unlessChanged(plain: string, tidied: string): string {
  const [before, after] = [plain, tidied].map((text) => leavesOf(parseToml(text, 'settings')));
  return isDeepStrictEqual(before, after) ? tidied : plain;
}
