import { blankUnprintable } from '@sallyport/protocol';
import type { CliContext, CliOutput } from './cli-context.js';
import { withLocalTimes } from './local-time.js';

/** One JSON document, for `--json`. */
export function writeJson({ stdout }: CliContext, value: unknown): void {
  stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/**
 * Lines of text. Control characters become blanks, so that no name can control the terminal. On a terminal, times are
 * local.
 */
export function writeLines({ stdout, env }: Pick<CliContext, 'stdout' | 'env'>, lines: readonly string[]): void {
  stdout.write(textFor(stdout, env, lines));
}

/** The lines for one output. */
function textFor({ isTTY }: CliOutput, { TZ: zone }: CliContext['env'], lines: readonly string[]): string {
  const text = lines.map((line) => `${withoutControls(line)}\n`).join('');
  return isTTY === true ? withLocalTimes(text, zone) : text;
}

/** Tells on stderr what was done, since scripts read stdout. Nothing with `--json`. */
export function writeNotes(
  { stderr, env }: Pick<CliContext, 'stderr' | 'env'>,
  lines: readonly string[],
  asJson: boolean,
): void {
  if (!asJson) stderr.write(textFor(stderr, env, lines));
}

/** Warnings for the user, one line each on stderr. */
export function writeWarnings({ log }: Pick<CliContext, 'log'>, warnings: readonly string[]): void {
  for (const warning of warnings) log.warn(warning);
}

/** Text with blanks for control characters; line ends stay. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, ' ');
}

/** Columns under headings, aligned. Control characters become blanks. */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const table = [headings, ...rows].map((row) => row.map(blankUnprintable));
  const widths = headings.map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `Label:   value` lines with the values aligned. */
export function labelledLines(fields: readonly (readonly [label: string, value: string])[]): string[] {
  const width = Math.max(...fields.map(([label]) => label.length)) + 1;
  return fields.map(([label, value]) => `${`${label}:`.padEnd(width)} ${blankUnprintable(value)}`.trimEnd());
}

/** Shows on a terminal what is being done: one line on stderr that disappears when it is done. */
export class Progress {
  constructor(private readonly stderr: CliOutput) {}

  async during<Result>(text: string, work: () => Promise<Result>): Promise<Result> {
    if (this.stderr.isTTY !== true) return work();
    this.stderr.write(`${text} …`);
    try {
      return await work();
    } finally {
      // ECMA-48: carriage return, then erase to the end of the line.
      this.stderr.write('\r\u001b[K');
    }
  }
}
