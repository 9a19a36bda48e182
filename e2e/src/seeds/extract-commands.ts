/** Commands in one block of a document. */
export interface CommandBlock {
  /** The machine for these commands, in the words of the document: `main device`, `on each child device`. */
  readonly place: string | undefined;
  /** Exactly as printed, comments and continuation lines included. */
  readonly commands: string;
}

/**
 * Takes the commands of one section from a documentation page, exactly as printed there.
 *
 * It reads two kinds of page: Markdown with fenced blocks, and the plain text of a rendered page. In plain text,
 * headings are separate lines, and only the first words of a block show that it contains commands.
 *
 * @param path heading and, if this heading has several parts, subheading: `['Enable HTTPS', 'File Transfer Service']`
 * @throws Error when the document has no such section
 */
export function extractCommands(document: string, path: readonly string[]): CommandBlock[] {
  const lines = document.split('\n');
  const isMarkdown = lines.some((line) => line.startsWith('```'));
  const headings = isMarkdown ? markdownHeadings(lines) : plainHeadings(lines);
  const section = sectionOf(lines, headings, path);
  if (!isMarkdown) return plainBlocks(section);
  return fencedBlocks(section, /^```(sh|bash|shell)\b/).map((commands) => ({ place: undefined, commands }));
}

/**
 * Takes the one file that a section of a Markdown page shows, whatever its fence calls it.
 *
 * @throws Error when the section does not exist, or shows not exactly one block
 */
export function extractFile(document: string, path: readonly string[]): string {
  const lines = document.split('\n');
  const blocks = fencedBlocks(sectionOf(lines, markdownHeadings(lines), path), /^```/);
  const [file] = blocks;
  if (file !== undefined && blocks.length === 1) return file;
  throw new Error(`The section ${path.join(' / ')} shows ${blocks.length} blocks, and not one file.`);
}

interface Heading {
  readonly line: number;
  readonly text: string;
  readonly level: number;
}

function sectionOf(lines: readonly string[], headings: readonly Heading[], path: readonly string[]): string[] {
  let [from, to] = [0, lines.length];
  for (const wanted of path) {
    const inside = headings.filter(({ line }) => line >= from && line < to);
    const found = inside.find(({ text }) => text === wanted);
    if (found === undefined)
      throw new Error(`The document has no section ${path.join(' / ')}: "${wanted}" is missing.`);
    from = found.line + 1;
    to = inside.find(({ line, level }) => line >= from && level <= found.level)?.line ?? to;
  }
  // The commands of a subsection do not belong to the section itself.
  const firstPart = headings.find(({ line }) => line >= from && line < to)?.line ?? to;
  return lines.slice(from, firstPart);
}

function markdownHeadings(lines: readonly string[]): Heading[] {
  const isFenced = fencedLines(lines);
  return lines.flatMap((text, line) => {
    const [, marks = '', title = ''] = /^(#+) +(.*)$/.exec(text) ?? [];
    return marks === '' || isFenced[line] ? [] : [{ line, text: title.trim(), level: marks.length }];
  });
}

function fencedLines(lines: readonly string[]): boolean[] {
  let isInside = false;
  return lines.map((line) => {
    if (line.startsWith('```')) isInside = !isInside;
    return isInside;
  });
}

const longestTitle = 60;

/**
 * A rendered page has no heading levels. A heading is a short line between empty lines that starts with a capital
 * letter and has no punctuation at the end. A heading that occurs several times is a subheading.
 */
function plainHeadings(lines: readonly string[]): Heading[] {
  const isAlone = (line: number) => (lines[line - 1] ?? '') === '' && (lines[line + 1] ?? '') === '';
  const found = lines.flatMap((text, line) => (isTitle(text) && isAlone(line) ? [{ line, text }] : []));
  const times = new Map<string, number>();
  for (const { text } of found) times.set(text, (times.get(text) ?? 0) + 1);
  return found.map(({ line, text }) => ({ line, text, level: times.get(text) === 1 ? 1 : 2 }));
}

function isTitle(text: string): boolean {
  return /^[A-Z].*[^.:,;!?]$/.test(text) && text.length <= longestTitle && !firstWords.test(text);
}

/** The contents of the blocks that begin with such a fence. */
function fencedBlocks(lines: readonly string[], fence: RegExp): string[] {
  const blocks: string[] = [];
  for (let line = 0; line < lines.length; line++) {
    const text = lines[line] ?? '';
    if (!text.startsWith('```')) continue;
    const end = lines.findIndex((other, index) => index > line && other.startsWith('```'));
    if (fence.test(text)) blocks.push(`${lines.slice(line + 1, end).join('\n')}\n`);
    line = end;
  }
  return blocks;
}

// A command inside a list is indented by four spaces.
const firstWords = /^(?: {4})?(?:## |[A-Z_]+=|(?:cat|cp|curl|echo|openssl|sudo|tedge) )/;

function plainBlocks(lines: readonly string[]): CommandBlock[] {
  const blocks: CommandBlock[] = [];
  for (let line = 0; line < lines.length; ) {
    const end = endOfBlock(lines, line);
    if (end === line) {
      line += 1;
      continue;
    }
    // The line directly above, without an empty line between, names the machine for the commands.
    const place = lines[line - 1] || undefined;
    blocks.push({ place, commands: `${lines.slice(line, end).join('\n').trim()}\n` });
    line = end;
  }
  return blocks;
}

/** The line after the last command of the block that starts here; the same line if no block starts here. */
function endOfBlock(lines: readonly string[], start: number): number {
  let end = start;
  for (let line = start; line < lines.length; ) {
    const next = endOfCommand(lines, line);
    if (next > line) end = next;
    // There may be empty lines between the commands of one block.
    else if (lines[line] !== '' || end === start) return end;
    line = Math.max(next, line + 1);
  }
  return end;
}

/** The line after a command, its continuation lines and its here-document; the same line if it is not a command. */
function endOfCommand(lines: readonly string[], start: number): number {
  const first = lines[start] ?? '';
  if (!firstWords.test(first)) return start;
  const [, delimiter] = /<< ?(\w+)$/.exec(first) ?? [];
  if (delimiter !== undefined) return lines.indexOf(delimiter, start) + 1;
  let end = start;
  while (lines[end]?.endsWith('\\')) end += 1;
  return end + 1;
}
