import type { CliContext } from './cli-context.js';
import type { FaultReport } from './failure.js';
import { withoutControls } from './output.js';

/** Tells on stderr why a command failed; with `--json` as one JSON document in one line. */
export function writeReport({ stderr }: CliContext, report: FaultReport, asJson: boolean): void {
  const { what, remedy } = report;
  if (asJson) stderr.write(`${JSON.stringify({ error: report })}\n`);
  else stderr.write(withoutControls(`Error: ${what}\n${remedy === '' ? '' : `${remedy}\n`}`));
}
