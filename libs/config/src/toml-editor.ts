import { isDeepStrictEqual } from 'node:util';
import { Problem } from '@sallyport/protocol';
import { stringify } from 'smol-toml';
import { leavesOf, parseToml } from './toml.js';
import { lineEnd, type Pair, type Section, scanToml } from './toml-scanner.js';

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/**
 * Changes one value of a TOML document and nothing else: comments, order, blanks and line ends stay as they are.
 *
 * @param path  keys from the root to the value, at least one.
 * @param value the new value; undefined removes the key and its line.
 * @param name  what to call the document in errors.
 * @param literal how the new value is spelled; made from the value when absent.
 * @throws Problem `config-invalid`: the document is not valid TOML, or has something other than a table on the way to
 *   the value. The text is untouched.
 */
export function editToml(
  text: string,
  edit: { path: readonly string[]; value: unknown; name: string; literal?: string },
): string {
  const before = parseToml(text, edit.name);
  const edited = applySplice(text, spliceFor(text, edit));
  const expected = leavesOf(before).filter(
    (leaf) => !isDeepStrictEqual(leaf.path.slice(0, edit.path.length), edit.path),
  );
  if (edit.value !== undefined) expected.push({ path: edit.path, value: edit.value });
  if (hasLeaves(edited, expected, edit.name)) return edited;
  const key = edit.path.join('.');
  throw new Problem(
    'config-invalid',
    `${edit.name} has no room for ${key}: part of its name is not a table there. Edit the file.`,
  );
}

/** Checks an edit: except for the one value, the result must mean the same as before. */
function hasLeaves(text: string, expected: { path: readonly string[]; value: unknown }[], name: string): boolean {
  try {
    const actual = new Map(leavesOf(parseToml(text, name)).map((leaf) => [JSON.stringify(leaf.path), leaf.value]));
    const matches = ({ path, value }: (typeof expected)[number]) =>
      isDeepStrictEqual(actual.get(JSON.stringify(path)), value);
    return actual.size === expected.length && expected.every(matches);
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

function applySplice(text: string, splice: Splice | undefined): string {
  return splice === undefined ? text : text.slice(0, splice.from) + splice.insert + text.slice(splice.to);
}

function spliceFor(
  text: string,
  { path, value, literal: spelled }: { path: readonly string[]; value: unknown; literal?: string },
): Splice | undefined {
  const { sections, pairs } = scanToml(text);
  const usable = pairs.filter((pair) => !pair.section.isRepeated);
  const existing = usable.find((pair) => isDeepStrictEqual(pair.path, path));
  if (value === undefined) return existing === undefined ? undefined : removal(text, existing, usable);
  const literal = spelled ?? literalOf(value);
  if (existing !== undefined) return { from: existing.valueStart, to: existing.valueEnd, insert: literal };
  return insertion(text, { path, literal, pairs: usable, sections });
}

function literalOf(value: unknown): string {
  return stringify({ value })
    .trim()
    .replace(/^value = /, '');
}

function removal(text: string, pair: Pair, pairs: readonly Pair[]): Splice {
  if (pair.container === undefined) {
    return { from: text.lastIndexOf('\n', pair.keyStart - 1) + 1, to: lineEnd(text, pair.valueEnd), insert: '' };
  }
  const siblings = pairs.filter((other) => other.container === pair.container);
  const index = siblings.indexOf(pair);
  const next = siblings[index + 1];
  if (next !== undefined) return { from: pair.keyStart, to: next.keyStart, insert: '' };
  return { from: siblings[index - 1]?.valueEnd ?? pair.keyStart, to: pair.valueEnd, insert: '' };
}

interface NewPair {
  readonly path: readonly string[];
  readonly literal: string;
  readonly pairs: readonly Pair[];
  readonly sections: readonly Section[];
}

/** A new key is put beside its siblings, in the style in which they are written. */
function insertion(text: string, added: NewPair): Splice {
  const inline = added.pairs.filter((pair) => text[pair.valueStart] === '{' && isPrefix(pair.path, added.path)).at(-1);
  if (inline !== undefined) return inlineInsertion(added, inline);
  if (added.path.length === 1) return rootInsertion(text, added);
  const section = added.sections.find((candidate) => isDeepStrictEqual(candidate.path, added.path.slice(0, -1)));
  if (section !== undefined && !section.isRepeated && section.path.length > 0)
    return lineInsertion(text, added, section);
  const dotted = closestDottedSection(added);
  return dotted === undefined ? newSection(text, added) : lineInsertion(text, added, dotted);
}

/** A key outside of all tables stands above the first header. */
function rootInsertion(text: string, added: NewPair): Splice {
  const [root] = added.sections;
  const hasPairs = added.pairs.some((pair) => pair.section === root && pair.container === undefined);
  if (root !== undefined && hasPairs) return lineInsertion(text, added, root);
  return { from: 0, to: 0, insert: `${keyText(added.path)} = ${added.literal}${lineBreakOf(text)}` };
}

function inlineInsertion(added: NewPair, table: Pair): Splice {
  const assignment = `${keyText(added.path.slice(table.path.length))} = ${added.literal}`;
  const last = added.pairs.filter((pair) => pair.container === table).at(-1);
  if (last !== undefined) return { from: last.valueEnd, to: last.valueEnd, insert: `, ${assignment}` };
  return { from: table.valueStart, to: table.valueEnd, insert: `{ ${assignment} }` };
}

/** The section that already writes part of the path with dots. TOML does not allow a header for such a table. */
function closestDottedSection(added: NewPair): Section | undefined {
  let best: { section: Section; shared: number } | undefined;
  for (const pair of added.pairs) {
    const shared = sharedTables(pair.path, added.path);
    const isDotted =
      pair.container === undefined && shared > pair.section.path.length && isPrefix(pair.section.path, added.path);
    if (isDotted && shared > (best?.shared ?? 0)) best = { section: pair.section, shared };
  }
  return best?.section;
}

function lineInsertion(text: string, added: NewPair, section: Section): Splice {
  const lines = added.pairs.filter((pair) => pair.section === section && pair.container === undefined);
  const closest = lines.toSorted((a, b) => sharedTables(a.path, added.path) - sharedTables(b.path, added.path)).at(-1);
  const at = lineEnd(text, closest?.valueEnd ?? section.headerEnd);
  const indent = closest === undefined ? '' : indentOf(text, closest.keyStart);
  const line = `${indent}${keyText(added.path.slice(section.path.length))} = ${added.literal}${lineBreakOf(text)}`;
  return { from: at, to: at, insert: text[at - 1] === '\n' ? line : lineBreakOf(text) + line };
}

function newSection(text: string, added: NewPair): Splice {
  const lineBreak = lineBreakOf(text);
  const gap = text === '' ? '' : text.endsWith('\n') ? lineBreak : lineBreak + lineBreak;
  const header = `[${keyText(added.path.slice(0, -1))}]`;
  const line = `${keyText(added.path.slice(-1))} = ${added.literal}`;
  return { from: text.length, to: text.length, insert: `${gap}${header}${lineBreak}${line}${lineBreak}` };
}

function isPrefix(prefix: readonly string[], path: readonly string[]): boolean {
  return prefix.length < path.length && prefix.every((part, index) => part === path[index]);
}

/** How many tables two values have in common, counted from the root. */
function sharedTables(a: readonly string[], b: readonly string[]): number {
  const most = Math.min(a.length, b.length) - 1;
  const differs = a.slice(0, most).findIndex((part, index) => part !== b[index]);
  return differs === -1 ? most : differs;
}

function keyText(parts: readonly string[]): string {
  return parts.map((part) => (/^[\w-]+$/.test(part) ? part : JSON.stringify(part))).join('.');
}

function indentOf(text: string, keyStart: number): string {
  return text.slice(text.lastIndexOf('\n', keyStart - 1) + 1, keyStart).replace(/[^ \t]/g, '');
}

function lineBreakOf(text: string): string {
  return /\r?\n/.exec(text)?.[0] ?? '\n';
}
