import { quoted } from '@sallyport/config';
import type { CliContext } from './cli-context.js';
import type { FaultReport } from './failure.js';
import { withoutControls } from './output.js';

/** How the program was called, as far as a report depends on it. */
export interface Called {
  readonly json: boolean;
  readonly configDir?: string | undefined;
}

/** Tells on stderr why a command failed; with `--json` as one JSON document in one line. */
export function writeReport(context: CliContext, report: FaultReport, called: Called): void {
  const what = asTyped(report.what, context, called);
  const remedy = asTyped(report.remedy, context, called);
  if (called.json) context.stderr.write(`${JSON.stringify({ error: { ...report, what, remedy } })}\n`);
  else context.stderr.write(withoutControls(`Error: ${what}\n${remedy === '' ? '' : `${remedy}\n`}`));
}

// Commands that work on the files of this configuration directory. Others may be meant for another machine.
const localCommands = [
  ...['bridge', 'cert', 'config', 'connect', 'disconnect', 'doctor'],
  ...['http', 'mqtt', 'reconnect', 'secure', 'upload'],
];
const commands = [...localCommands, 'audit', 'ca', 'client-ca', 'connector', 'device', 'site', 'status'];
// What was made for this user is complete already.
const commandInText = new RegExp(`(?<!npx )\\b(?:sallyport|tedge) (${commands.join('|')})\\b`, 'g');

/** The text with commands that work as they are shown: with the name of this program, on the same directory. */
function asTyped(text: string, { programName }: CliContext, { configDir }: Called): string {
  const directory = configDir === undefined ? '' : ` --config-dir ${quoted(configDir)}`;
  return text.replace(
    commandInText,
    (_, command: string) => `${programName}${localCommands.includes(command) ? directory : ''} ${command}`,
  );
}
