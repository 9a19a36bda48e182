/** A command of a document, with the output that the document shows. */
export interface ShownCommand {
  readonly command: string;
  /** Lines; `…` stands for any text, and as a whole line for any lines. */
  readonly output: readonly string[];
}

/** The commands of a block that shows a terminal: each begins with `$ `, and its output follows. */
export function shownCommands(block: string): ShownCommand[] {
  const [, ...parts] = `\n${block}`.split('\n$ ');
  return parts.map((part) => {
    const [command = '', ...output] = part.trimEnd().split('\n');
    return { command, output };
  });
}

/** Whether a program has printed what a document shows. Times and numbers of seconds may differ. */
export function isAsShown(printed: string, shown: readonly string[]): boolean {
  const lines = shown.map((line) => (line === '…' ? '(?:.*\\n)*' : `${patternOf(line)}\\n`));
  return new RegExp(`^${lines.join('')}$`).test(printed);
}

function patternOf(line: string): string {
  return line
    .replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    .replaceAll('…', '.*')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=\\\.\d)/g, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d')
    .replace(/\\\.(\d+)Z/g, '\\.\\d+Z')
    .replace(/(expiresin": ?)\d+/g, '$1\\d+')
    .replace(/^(Valid until: )\S+/, '$1\\S+');
}
