import { quoted } from '@sallyport/config';
import type { CliContext } from './cli-context.js';
import type { FaultReport } from './failure.js';
import { writeNotes } from './output.js';

/** Tells on stderr why a command failed; with `--json` as one JSON document in one line. */
export function writeReport(
  context: Pick<CliContext, 'stderr' | 'env' | 'typed'>,
  report: FaultReport,
  asJson: boolean,
): void {
  const [what, remedy] = [context.typed(report.what), context.typed(report.remedy)];
  if (asJson) context.stderr.write(`${JSON.stringify({ error: { ...report, what, remedy } })}\n`);
  else writeNotes(context, [`Error: ${what}`, ...(remedy === '' ? [] : [remedy])], false);
}

// Commands that work on the files of this configuration directory. Others may be meant for another machine.
const localCommands = [
  ...['bridge', 'cert', 'config', 'connect', 'disconnect', 'doctor'],
  ...['http', 'mqtt', 'reconnect', 'secure', 'upload'],
];
const commands = [
  ...localCommands,
  ...[
    'audit',
    'ca',
    'client-ca',
    'coap',
    'connector',
    'device',
    'help',
    'restore',
    'site',
    'status',
    'webhook',
    'COMMAND',
  ],
];
// What was made for this user is complete already.
const commandInText = new RegExp(`(?<!npx |[\\w/.-])(?:sallyport|tedge) (${commands.join('|')})\\b`, 'g');

/** The text with commands that work as they are shown: with the name of this program, on the same directory. */
export function asTyped(
  text: string,
  { programName }: Pick<CliContext, 'programName'>,
  { configDir }: { readonly configDir?: string },
): string {
  const directory = configDir === undefined ? '' : ` --config-dir ${quoted(configDir)}`;
  return text.replace(
    commandInText,
    (_, command: string) => `${programName}${localCommands.includes(command) ? directory : ''} ${command}`,
  );
}
